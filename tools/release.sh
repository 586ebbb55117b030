#!/usr/bin/env bash
# A release in two steps, with a commit between them:
#   tools/release.sh prepare 0.2.0   sets the version, and gives the changelog's unreleased part its number and date
#   tools/release.sh build [FOLDER]  stripped archives of the checked-out commit with their SHA-256, into FOLDER (dist)
# The archive `full` has libtorch and everything; `lean` has no libtorch: it asks, serves, imports and reports, and does not
# train. Both run from wherever they are unpacked. Needed besides what `make build` needs: strip, tar, sha256sum.
set -euo pipefail
cd "$(dirname "$0")/.."
stop() { echo "release: $1" >&2; exit 2; }
version() { sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml; }

prepare() {
  [[ "${1:-}" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || stop "expected a version such as 0.2.0, found \`${1:-}\`"
  [ -z "$(git status --porcelain)" ] || stop "the working tree has changes: commit or stash them first"
  ! grep -q "^## \[$1\]" CHANGELOG.md || stop "CHANGELOG.md has a section $1 already"
  grep -q '^## \[Unreleased\]' CHANGELOG.md || stop "CHANGELOG.md has no section [Unreleased]"
  sed -i "/^\[workspace\.package\]/,/^\[/s/^version = .*/version = \"$1\"/" Cargo.toml
  sed -i "s/^version: .*/version: $1/" CITATION.cff
  sed -i "s/^## \[Unreleased\]/## [Unreleased]\n\n## [$1] - $(date -u +%F)/" CHANGELOG.md
  cargo update --workspace --offline --quiet
  echo "release: version $1 stands in Cargo.toml, Cargo.lock, CITATION.cff and CHANGELOG.md; read them, run make test, then"
  echo "  git commit -am 'Release $1' && git tag -a v$1 -m 'syntrace $1' && tools/release.sh build"
}

# archive NAME FEATURES...: builds, installs under a folder of that name, strips, packs.
archive() {
  local name="$1" programs="${CARGO_TARGET_DIR:-target}/release"
  shift
  cargo build --release "$@"
  rm -rf "$out/$name"
  # From the root on, as `install` wants it: a program finds its libtorch beside itself, wherever it is unpacked.
  "$programs/syntrace" install "/$name" --destdir "$out"
  strip "$out/$name"/bin/*
  mkdir -p "$out/$name/share/doc/syntrace"
  cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE CITATION.cff "$out/$name/share/doc/syntrace/"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$out" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  rm -rf "${out:?}/$name"
}

build() {
  local found target
  found=$(version)
  [ -n "$found" ] || stop "Cargo.toml has no version in [workspace.package]"
  grep -q "^## \[$found\]" CHANGELOG.md || stop "CHANGELOG.md has no section $found: run tools/release.sh prepare $found first"
  [ -z "$(git status --porcelain)" ] || stop "the working tree has changes: an archive is that of a commit"
  target=$(rustc -vV | sed -n 's/^host: //p')
  out="$(realpath -m "${1:-dist}")"
  mkdir -p "$out"
  tools/setup-libtorch.sh
  archive "syntrace-$found-$target-lean" --no-default-features --features serve,png,parquet,install
  archive "syntrace-$found-$target-full" --features full
  (cd "$out" && sha256sum "syntrace-$found-$target"-*.tar.gz >SHA256SUMS && cat SHA256SUMS)
}

case "${1:-}" in
  prepare) shift; prepare "$@" ;;
  build) shift; build "$@" ;;
  *) stop "expected \`prepare VERSION\` or \`build [FOLDER]\`, found \`${1:-}\`" ;;
esac
