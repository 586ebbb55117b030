//! Shares of one plan, before they are united.

use crate::plan::{AskedFor, differences};
use syntrace_base::error::{Error, Result};
use syntrace_store::{ShardRecord, Snapshot};

/// What the union of some studies, each with its name, is a share of: those of them that are shares must be of one plan.
/// `None` where none is one.
///
/// # Errors
/// `user` for shares of unequal plans, by what differs.
pub fn united_shards(studies: &[(String, &Snapshot)]) -> Result<Option<ShardRecord>> {
    let mut united: Option<(&str, &Snapshot, ShardRecord)> = None;
    for (name, snapshot) in studies {
        let Some(own) = snapshot.shard()? else { continue };
        let Some((first, there, shard)) = &mut united else {
            united = Some((name, snapshot, own));
            continue;
        };
        let differing = if own.plan != shard.plan {
            let (a, b) = (AskedFor::stored(there, shard.plan)?, AskedFor::stored(snapshot, own.plan)?);
            differences((&format!("`{first}`"), &a), (&format!("`{name}`"), &b))
        } else if own.count != shard.count {
            vec![format!("`{first}` is of {} shares and `{name}` of {}", shard.count, own.count)]
        } else if own.dealt != shard.dealt {
            vec!["one prologue dealt the models otherwise than the other".to_owned()]
        } else {
            shard.numbers.extend(own.numbers);
            shard.numbers.sort_unstable();
            shard.numbers.dedup();
            continue;
        };
        let what = format!("`{first}` and `{name}` are shares of different plans: {}", differing.join("; "));
        return Err(Error::user(what).hint("nothing was merged; unite shares of one prologue"));
    }
    Ok(united.map(|(_, _, shard)| shard))
}
