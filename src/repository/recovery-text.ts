/**
 * The text of `RECOVERY.md`. `test/repository/recovery.test.ts` runs its bash blocks, in order and unchanged, against a repository.
 */
export const RECOVERY_TEXT = String.raw`# How to get everything back without the tool

You need bash, zstd, jq, tar, sha256sum and base64, and pg_restore for PostgreSQL dumps. Nothing here writes to the repository.
Paste the blocks into one bash, in order.

## What lies where

| path | what |
|---|---|
| snapshots/NAME/manifest.json | one snapshot: its components, their artifacts, the pages of each artifact |
| segments/ab/ID | a page: JSON lines, one segment each, {"fingerprint", "bytes", "chunks": [[ID, length], …]} |
| chunks/ab/ID | a piece of data |

Every file under segments/ and chunks/ is one zstd frame and is named by the SHA-256 of its uncompressed content. The chunks of an artifact, in
the order of its pages and their lines, one after the other, are the artifact: a tar, a dump, a JSON file. (The chunk files themselves, put one
after the other, are the same thing as .zst.) Segments of trees also have "first", the first path in them ("first64", base64, where the
path is not UTF-8). Trees have a second artifact, "catalogue": JSON lines, one for each entry in the order of the tar; "next" marks
the first entry of every segment. A copy of every manifest.json lies under segments/ too, named by its SHA-256. Names that end in .bad were found damaged.

## 1. Say where things are

~~~bash
set -o pipefail
REPOSITORY=$(realpath "${'$'}{REPOSITORY:-.}")
TARGET=${'$'}{TARGET:-$HOME/recovered}
WORK=$(mktemp -d)
ls "$REPOSITORY/snapshots"
~~~

Choose a snapshot; this takes the last one by name:

~~~bash
SNAPSHOT=${'$'}{SNAPSHOT:-$(ls "$REPOSITORY/snapshots" | sort | tail -n 1)}
MANIFEST=$REPOSITORY/snapshots/$SNAPSHOT/manifest.json
(cd "$REPOSITORY/snapshots/$SNAPSHOT" && sha256sum -c manifest.json.sha256)
~~~

## 2. See what is in it

~~~bash
list_components() {
  jq -r '.components[] | .id as $id | .artifacts[] | [$id, .name, .format, .bytes] | @tsv' "$MANIFEST"
}
list_components
jq -r '.sealed.failed[] | "NOT in this snapshot: \(.id): \(.reason)"' "$MANIFEST"
~~~

## 3. Read one artifact

The bytes come out only when every page and chunk has the SHA-256 that its name says and the list of pages has the digest in the manifest.

~~~bash
read_object() { # chunks|segments ID
  if zstd -dcq < "$REPOSITORY/$1/${'$'}{2:0:2}/$2" > "$WORK/object" && [ "$(sha256sum < "$WORK/object" | cut -c 1-64)" = "$2" ]; then
    cat "$WORK/object"
  else
    echo "damaged or missing: $1 $2" >&2
    return 1
  fi
}

read_artifact() { # COMPONENT data|catalogue
  local digest pages page id length
  jq -e --arg c "$1" --arg a "$2" '.components[] | select(.id == $c) | .artifacts[] | select(.name == $a)' "$MANIFEST" > "$WORK/artifact" ||
    { echo "no such artifact: $1 $2" >&2; return 1; }
  digest=$(jq -r .digest "$WORK/artifact")
  pages=$(jq -r '.pages[]' "$WORK/artifact")
  [ "$(printf "$(printf '%s' $pages | sed 's/../\\x&/g')" | sha256sum | cut -c 1-64)" = "$digest" ] ||
    { echo "the page list of $1 is damaged" >&2; return 1; }
  for page in $pages; do
    read_object segments "$page" > "$WORK/page" || return 1
    while read -r id length; do
      read_object chunks "$id" || return 1
    done < <(jq -r '.chunks[] | "\(.[0]) \(.[1])"' "$WORK/page")
  done
}
~~~

## 4. Get one component back

A tree (format tar) becomes a directory, as root with owners, times, links, ACLs and extended attributes; anything else a file.

~~~bash
recover_component() { # COMPONENT
  local format name
  format=$(jq -er --arg c "$1" '.components[] | select(.id == $c) | .artifacts[] | select(.name == "data") | .format' "$MANIFEST") || return 1
  name=$TARGET/${'$'}{1//\//,}
  if [ "$format" = tar ]; then
    mkdir -p "$name"
    read_artifact "$1" data | tar -x -p --numeric-owner --xattrs --xattrs-include='*' --acls --delay-directory-restore -C "$name"
  else
    mkdir -p "$TARGET"
    read_artifact "$1" data > "$name.$format"
  fi
}
~~~

All of them, each named as its component with commas for slashes:

~~~bash
recover_all() {
  local component result=0
  while read -r component; do
    recover_component "$component" || { echo "NOT recovered: $component" >&2; result=1; }
  done < <(jq -r '.components[].id' "$MANIFEST")
  return $result
}
recover_all
~~~

## 5. PostgreSQL

Each dump is in pg_restore's custom format. This shows that it can be read, with a pg_restore at least as new as the server that it came from:

~~~bash
for dump in "$TARGET"/database,*.pgdump; do
  [ ! -e "$dump" ] || pg_restore --list "$dump" > /dev/null || echo "pg_restore cannot read $dump" >&2
done
~~~

Into a running server, roles first, then each database:

~~~console
$ psql -f "$TARGET/globals,SERVICE.sql" postgres
$ createdb NAME
$ pg_restore --exit-on-error --jobs 2 --dbname NAME "$TARGET/database,SERVICE,NAME.pgdump"
~~~

## 6. The files of a tree, without unpacking it

~~~bash
list_files() { # COMPONENT: one path a line
  local path
  while read -r path; do
    printf '%s' "$path" | base64 -d
    echo
  done < <(read_artifact "$1" catalogue | jq -r '.path64 // (.path | @base64)')
}
~~~

## 7. When a manifest.json is lost or damaged

Its copy has the name of its SHA-256. This lists all copies; put the right one in place with zstd -dc.

~~~bash
list_manifest_copies() {
  local copy
  for copy in "$REPOSITORY"/segments/*/*; do
    zstd -dcq < "$copy" 2> /dev/null | jq -r --arg f "$copy" 'select(.format? == 1 and .components?) | "\(.name) \($f)"' 2> /dev/null
  done
}
list_manifest_copies
~~~

When you are done:

~~~bash
rm -r "$WORK"
~~~
`.replaceAll('~~~', '```');
