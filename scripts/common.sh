# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# What scripts/{install,demo,mysql-server,test,vmtest} share.  Sourced, never run.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Debian's own Python has the database drivers; another one found first in PATH does not.
export python=/usr/bin/python3
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

die()
{
	echo "scripts/${0##*/}: $*" >&2
	exit 2
}

need_root()
{
	[ "$(id -u)" -eq 0 ] || die "please run as root: sudo scripts/${0##*/}"
}

# /etc/os-release as "debian 12"; a Debian without a number (testing, unstable) is "debian ".
distribution()
{
	[ -r /etc/os-release ] || return 0
	# shellcheck disable=SC1091
	(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")
}

# Ubuntu's /usr/sbin/bpftool only looks for the running kernel's own; any real one serves us.
find_bpftool()
{
	local tool
	for tool in /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/lib/linux-tools/*/bpftool \
		/usr/lib/linux-tools-*/bpftool; do
		if [ -x "$tool" ] && "$tool" version >/dev/null 2>&1; then
			echo "$tool"
			return 0
		fi
	done
	return 1
}

# The folder of the newest PostgreSQL server's programs; Debian keeps them out of PATH.
find_postgres()
{
	local tool
	tool=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
	[ -x "$tool" ] && dirname "$tool"
}

# PostgreSQL refuses to run as root.
postgres_user()
{
	if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# Sets drop=(...), to stand before a command: a function would put a shell between us and its pid.
drop_to()
{
	# shellcheck disable=SC2034
	drop=(setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups)
}

# Whatever root built under build/ belongs to whom the tree belongs to, so plain `make` still works.
give_back_build()
{
	[ ! -d "$top/build" ] || chown -R --reference="$top" "$top/build"
}

build_dbleak()
{
	BPFTOOL=$(find_bpftool) || die "bpftool is missing; scripts/install build installs it"
	export BPFTOOL
	make -s -C "$top" -j"$(nproc)" "$@"
}

# not_here WORDS: why something cannot be had, for who asks with $trouble.
not_here()
{
	# shellcheck disable=SC2034
	trouble=$*
	return 1
}

# archive LABEL: where this machine's own package sources have Debian's archive of that label, of any release.
archive()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -v label="$1" '$1 == "Debian" && $2 == label { print $3; exit }'
}

# use_lists RELEASE FOLDER: lets apt-get and apt-cache with "${apt_options[@]}" see that release of Debian alone,
# whatever the host is; lists and packages stay in FOLDER.
use_lists()
{
	local release=$1 apt=$2 main security keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r "$keyring" ] || not_here "Debian's archive is needed, and this host has no key for it" \
		"(package debian-archive-keyring)" || return
	main=$(archive Debian) security=$(archive Debian-Security)
	[ -n "$main" ] || not_here "Debian's archive is needed, and this host's package sources name none" \
		"(or apt-get update never ran)" || return
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	{
		echo "deb [signed-by=$keyring] $main $release main"
		[ -z "$security" ] || [ "$release" = sid ] ||
			echo "deb [signed-by=$keyring] $security $release-security main"
	} >"$apt/sources.list"
	apt_options+=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt" -o "Dir::State::status=/dev/null"
		-o APT::Architecture=amd64 -o APT::Architectures=amd64)
}
