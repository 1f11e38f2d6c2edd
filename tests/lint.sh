#!/bin/bash
# SPDX-License-Identifier: ISC
#
# What can be said about the tree without running it. Each finding is one line
# on standard output; the status is 1 when there is one.
#
# The include rules keep privileges apart at compile time: what a process must
# not do, it cannot even call. CONTRIBUTING.md says why for each.
set -u
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.." || exit 2

findings=0

# Every line of standard input is a finding; its kind goes in front.
report() {
	local line

	while IFS= read -r line; do
		printf '%s: %s\n' "$1" "$line"
		findings=$((findings + 1))
	done
}

need() {
	if ! command -v "$1" >/dev/null; then
		report "missing program" <<<"$1"
		return 1
	fi
}

mapfile -t sources < <(find src -name '*.[ch]' -o -name '*.def' | sort)
mapfile -t test_sources < <(find tests -name '*.[ch]' | sort)
mapfile -t scripts < <(grep -lrE '^#!/bin/(ba)?sh' autogen.sh .ci tools tests --include='*' | sort)

# --- form ---------------------------------------------------------------------

report "no licence line" < <(for file in "${sources[@]}" "${test_sources[@]}"; do
	head -n 1 "$file" | grep -qx '/\* SPDX-License-Identifier: ISC \*/' || echo "$file"
done)
report "no reason stated below the licence line" < <(for file in "${sources[@]}"; do
	case $file in *.c) sed -n 2p "$file" | grep -q '^/\*' || echo "$file" ;; esac
done)
report "longer than 600 lines" < <(for file in "${sources[@]}"; do
	[ "$(wc -l <"$file")" -le 600 ] || echo "$file"
done)
report "left undone" < <(grep -rnwE 'TO''DO|FIX''ME|X''XX|HA''CK' --include='*.[ch]' --include='*.def' \
	--include='*.py' --include='*.sh' --include='*.md' --include='*.[58]' --include='*.in' \
	src tests docs man systemd README.md CONTRIBUTING.md SECURITY.md NEWS.md tools configure.ac Makefile.am)
report "trailing space" < <(grep -rnE '[[:blank:]]+$' --include='*.[ch]' --include='*.def' \
	--include='*.py' --include='*.sh' src tests tools configure.ac Makefile.am)
report "not UTF-8" < <(for file in $(git ls-files 2>/dev/null | grep -vE '\.(png|ico|der|bin)$'); do
	[ ! -e "$file" ] || iconv -f UTF-8 -t UTF-8 "$file" >/dev/null 2>&1 || echo "$file"
done)
if need clang-format-14; then
	report "clang-format" < <(for file in "${sources[@]}" "${test_sources[@]}"; do
		case $file in *.def) continue ;; esac
		clang-format-14 --dry-run -Werror "$file" >/dev/null 2>&1 || echo "$file"
	done)
fi

# --- what must not be called ---------------------------------------------------

banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|system|popen|rand|srand|tmpnam|mktemp'
report "banned function" < <(grep -nwE "($banned)[[:blank:]]*\(" "${sources[@]}" "${test_sources[@]}")
# Only the programs that people start look at the environment.
report "getenv outside of daemons' notice and ctl" < <(grep -nw getenv "${sources[@]}" |
	grep -vE '^src/(common/(notify|ctl[a-z_]*|terminal|secret_input)\.c|[a-z]+/ctl/)')

# --- who may include what --------------------------------------------------------

# A file may include what stands beside it and what is in src/common.
report "include across directories" < <(for file in "${sources[@]}"; do
	folder=$(dirname "$file")
	sed -nE 's/^#[[:blank:]]*include[[:blank:]]+"([^"]+)".*/\1/p' "$file" |
		while read -r name; do
			[ "$name" = build.h ] || [ -e "$folder/$name" ] ||
				[ -e "src/common/$name" ] ||
				{ [[ $name == common/* ]] && [ -e "src/$name" ]; } ||
				# The test builds of cloud that lie; see tests/process.
				[ "$file: $name" = "src/connector/cloud/requests.c: cloud_hostile.h" ] ||
				echo "$file: $name"
		done
done)

# only HEADER-PATTERN FILE-PATTERN: system headers of this name only in such files
only() {
	report "include of $1" < <(grep -nE "^#[[:blank:]]*include[[:blank:]]+<($1)>" "${sources[@]}" |
		grep -vE "^($2)[^:]*:")
}
only 'ldap.*\.h|lber\.h|openldap\.h' src/connector/directory/
only 'libconfig\.h' src/common/config
# Nowhere: it is lax about what a request may look like.
only 'event2/http.*\.h' -
only 'ares.*\.h' src/connector/dial/
# In directory for a getaddrinfo of its own that refuses.
only 'netdb\.h' 'src/connector/dial/|src/connector/directory/connection\.c'
only 'seccomp\.h' 'src/common/sandbox\.c'
only 'linux/landlock\.h' 'src/common/landlock\.c'
only 'sqlite3\.h' src/hub/store/
only 'curl/.*' 'src/common/ctl|src/connector/ctl/|src/hub/ctl/'
only 'wslay/.*' 'src/connector/cloud/|src/hub/gate/'
only 'openssl/ssl\.h' 'src/connector/(cloud|directory)/|src/hub/gate/|src/common/stream\.'
only 'pwd\.h|grp\.h' 'src/common/(privileges|ctl[a-z_]*|terminal)\.c|src/(connector|hub)/parent/'
only 'syslog\.h' 'src/common/(log|daemon)\.c'

# --- what belongs together -------------------------------------------------------

report "not named in Makefile.am" < <(for file in "${sources[@]}" "${test_sources[@]}"; do
	grep -qF "$file" Makefile.am tests/fuzz/fuzz.am || echo "$file"
done)
report "tests/fuzz/README.md, or no such target" < <(comm -3 \
	<(grep -owE 'fuzz_[a-z0-9_]+' tests/fuzz/README.md | sort -u) \
	<(cd tests/fuzz && printf '%s\n' fuzz_*.c | sed 's/\.c$//' | sort))
report "tests/fuzz/README.md, no such unit test" < <(comm -23 \
	<(grep -owE 'test_[a-z0-9_]+' tests/fuzz/README.md | sort -u) \
	<(cd tests/unit && printf '%s\n' test_*.c | sed 's/\.c$//' | sort))
report "messages" < <(tools/messages-doc --check)

if need shellcheck; then
	# SC2317: a function that is called by its name in a variable is not unreachable.
	report "shellcheck" < <(shellcheck --format=gcc --exclude=SC2317 "${scripts[@]}")
fi
if need mandoc; then
	report "mandoc" < <(mandoc -T lint -W warning man/*.[1-8])
fi

if [ "$findings" -gt 0 ]; then
	echo "lint: $findings findings"
	exit 1
fi
echo "lint: ${#sources[@]} sources, ${#test_sources[@]} test sources, ${#scripts[@]} scripts: nothing found"
