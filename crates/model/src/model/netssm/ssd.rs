//! The state-space recurrence in chunked matmul form (Dao and Gu 2024, section 6).

use tch::{Kind, Tensor};

/// Inputs of [`ssd`]; n counts traces of all models.
#[derive(Debug)]
pub struct SsdInput<'a> {
    /// `[n, L, H, P]`.
    pub x: &'a Tensor,
    /// Step sizes, `[n, L, H]`.
    pub dt: &'a Tensor,
    /// Log decays dt A, `[n, L, H]`, all at most 0.
    pub log_decay: &'a Tensor,
    /// Input maps, `[n, L, G, N]`.
    pub b: &'a Tensor,
    /// Output maps, `[n, L, G, N]`.
    pub c: &'a Tensor,
    /// Positions of a chunk Q.
    pub chunk: i64,
}

/// `h_t = exp(l_t) h_{t-1} + dt_t x_t (outer) B_t`, `y_t = h_t C_t` from a zero state: returns y
/// `[n, L, H, P]` and the last state `[n, H, P, N]`. The length is padded to whole chunks with dt = 0,
/// which changes nothing.
pub fn ssd(input: &SsdInput<'_>) -> (Tensor, Tensor) {
    let size = input.x.size();
    let (n, length, heads, p) = (size[0], size[1], size[2], size[3]);
    let (groups, state) = (input.b.size()[2], input.b.size()[3]);
    let q = input.chunk.min(length).max(1);
    let chunks = (length + q - 1) / q;
    let missing = chunks * q - length;
    let fill = |x: &Tensor, axes: usize| {
        let mut pad = vec![0; 2 * axes];
        pad.extend([0, missing]);
        if missing == 0 { x.shallow_clone() } else { x.constant_pad_nd(&pad[..]) }
    };
    // [n, c, G, H/G, Q, ...]: heads of a group share B and C.
    let per_head = [n, chunks, q, groups, heads / groups];
    let scalars = |x: &Tensor| fill(x, 1).view(per_head).permute([0, 1, 3, 4, 2]);
    let (dt, log_decay) = (scalars(input.dt), scalars(input.log_decay));
    let x = fill(input.x, 2).view([n, chunks, q, groups, heads / groups, p]).permute([0, 1, 3, 4, 2, 5]);
    let maps = |x: &Tensor| fill(x, 2).view([n, chunks, q, groups, state]).permute([0, 1, 3, 2, 4]).unsqueeze(3);
    let (b, c) = (maps(input.b), maps(input.c));

    let cum = log_decay.cumsum(-1, None);
    let later = Tensor::ones([q, q], (Kind::Bool, x.device())).triu(1);
    // -inf above the diagonal before exp: masking after it would overflow.
    let decay = (cum.unsqueeze(-1) - cum.unsqueeze(-2)).masked_fill(&later, f64::NEG_INFINITY).exp();
    let weighted = &x * dt.unsqueeze(-1);
    let within = (c.matmul(&b.transpose(-1, -2)) * decay).matmul(&weighted);

    let last = cum.narrow(-1, q - 1, 1);
    let to_end = (&last - &cum).exp();
    let states = (weighted * to_end.unsqueeze(-1)).transpose(-1, -2).matmul(&b);
    let entering = carry(&states, &last.squeeze_dim(-1));
    let carried = c.matmul(&entering.narrow(1, 0, chunks).transpose(-1, -2)) * cum.exp().unsqueeze(-1);

    let y = (within + carried).permute([0, 1, 4, 2, 3, 5]).reshape([n, chunks * q, heads, p]);
    let final_state = entering.select(1, chunks).reshape([n, heads, p, state]);
    (y.narrow(1, 0, length), final_state)
}

/// States entering each chunk and the one after the last, `[n, c + 1, G, H/G, P, N]`, from the states
/// that the chunks add `[n, c, G, H/G, P, N]` and their total log decays `[n, c, G, H/G]`, as one
/// matmul with a lower-triangular decay matrix.
fn carry(states: &Tensor, totals: &Tensor) -> Tensor {
    let size = states.size();
    let (n, chunks, heads) = (size[0], size[1], size[2] * size[3]);
    let cum = totals.permute([0, 2, 3, 1]).reshape([n, heads, chunks]).cumsum(-1, None);
    let before = cum.constant_pad_nd([1, 0]);
    // Row i, column j < i: chunks j + 1 .. i - 1 decay what chunk j added.
    let none = Tensor::ones([chunks + 1, chunks], (Kind::Bool, states.device())).triu(0);
    let decay = (before.unsqueeze(-1) - cum.unsqueeze(-2)).masked_fill(&none, f64::NEG_INFINITY).exp();
    let flat = states.permute([0, 2, 3, 1, 4, 5]).reshape([n, heads, chunks, -1]);
    let entering = decay.matmul(&flat).view([n, size[2], size[3], chunks + 1, size[4], size[5]]);
    entering.permute([0, 3, 1, 2, 4, 5])
}
