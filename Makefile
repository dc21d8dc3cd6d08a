# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# dbleak: make help lists the targets.  All products go under build/.

VERSION  := 0.1.0
B        := build
V        ?= 0
ifeq ($(origin CC),default)
CC       := gcc
endif
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/lib/linux-tools/*/bpftool) bpftool)

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS   ?= -O2 -g
# What hardens the program that users run, compiling and linking, where the compiler has it; behind CFLAGS,
# which cannot take it away.  FORTIFY_SOURCE needs an optimizer, and no sanitizer beside it.
HARDEN    := $(shell for flag in -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	       -ftrivial-auto-var-init=zero; do \
	       $(CC) -Werror $$flag -x c -c -o /dev/null /dev/null 2>/dev/null && echo $$flag; done)
HARDEN    += $(if $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS)))),$(if $(findstring -fsanitize,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3))
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
CFLAGS_ALL = $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE -DDBLEAK_VERSION='"$(VERSION)"' -I. -I$(B)/gen
LDLIBS   := -lbpf -ldw -lelf -lz -llzma -lZydis -ljansson -lcap-ng -lseccomp -lmicrohttpd -lncursesw -ltinfo -lm -lpthread
BPFFLAGS := -O2 -g -I. -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Werror -Wshadow \
	    -Wno-unused-parameter -idirafter /usr/include/$(shell uname -m)-linux-gnu
# The folder of the tree stands in no product, so two builds give the same bytes wherever they are made.
ANYWHERE := -ffile-prefix-map=$(CURDIR)=.
# The compiler writes FILE.d: the headers that FILE was made of.
DEPS      = -MMD -MP -MF $@.d -MT $@

# Those that own maps first: bpftool 7.1 misplaces a map that is defined after its first use.
BPF_OWNER := bpf/emit.bpf.c bpf/stack/stack.bpf.c bpf/stack/thread.bpf.c bpf/ledger/ledger.bpf.c bpf/ledger/process.bpf.c \
	     bpf/clientlib/client.bpf.c bpf/memory/growth.bpf.c bpf/socket/socket.bpf.c
BPF_SRC  := $(BPF_OWNER) $(filter-out $(BPF_OWNER),$(wildcard bpf/*.bpf.c bpf/*/*.bpf.c))
BPF_OBJ  := $(BPF_SRC:%.bpf.c=$(B)/%.bpf.o)
# X_static.c takes the place of X.c in the static build.
STATIC_SRC := $(wildcard user/*/*_static.c)
USER_SRC := $(filter-out $(STATIC_SRC),$(wildcard user/*.c user/*/*.c user/*/*/*.c user/*/*/*/*.c))
USER_OBJ := $(USER_SRC:%.c=$(B)/%.o)
STATIC_OBJ := $(filter-out $(STATIC_SRC:%_static.c=$(B)/%.o),$(USER_OBJ)) $(STATIC_SRC:%.c=$(B)/%.o)
# The generated header is made before these are compiled; no other source waits for it.
SKEL_SRC := $(shell grep -l 'skel\.h"' $(USER_SRC))

# What tests, benches and fuzzers link: all but main and what cannot do without the kernel's half.
PART_SRC := $(filter-out user/main.c $(SKEL_SRC),$(USER_SRC))
SAN      := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Checked objects that count their lines, too.
COV      := $(SAN) --coverage -fdata-sections
UNIT_SRC := $(wildcard $(addprefix tests/unit/,$(addsuffix /test_*.c,* */* */*/* */*/*/*)))
# The program of a test: flat, for its name is its own.
unit_of   = $(B)/$(2)/$(basename $(notdir $(1)))
UNIT_BIN := $(foreach t,$(UNIT_SRC),$(call unit_of,$(t),unit))
ifneq ($(words $(UNIT_BIN)),$(words $(sort $(UNIT_BIN))))
$(error two unit tests have one name, and only one of them would run: $(foreach t,$(sort $(UNIT_BIN)),$(if $(filter-out 1,$(words $(filter $(t),$(UNIT_BIN)))),$(notdir $(t)))))
endif
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
HEAP_CLIENT := $(addprefix $(B)/clients/,heap_static heap_static_pie heap_stripped) $(if $(wildcard /usr/lib/x86_64-linux-gnu/libjemalloc.so),$(B)/clients/heap_jemalloc) \
	       $(if $(shell command -v musl-gcc),$(addprefix $(B)/clients/,heap_musl heap_musl_static))
RUST_CLIENT := $(if $(and $(wildcard /usr/bin/cargo),$(wildcard /usr/share/cargo/registry/rusqlite-*),\
	       $(wildcard /usr/share/cargo/registry/tokio-postgres-*)),$(B)/clients/unclosed_rust)
C_CLIENT := $(patsubst tests/live/clients/%.c,$(B)/clients/%,$(wildcard tests/live/clients/*.c)) \
	    $(B)/clients/lite_static $(B)/clients/lite_stripped $(HEAP_CLIENT) $(B)/clients/harm $(B)/clients/heap_throws $(B)/clients/heap_throws_static

# Our own code with the sanitizers, on real processes.
LIVE_BIN := $(patsubst tests/live/%.c,$(B)/live/%,$(wildcard tests/live/*.c))

# Needs clang's libFuzzer (Debian: libclang-rt-*-dev, with clang).
FUZZ_FLAGS := -O1 -g $(filter-out -Werror,$(WARN)) -std=gnu11 -D_GNU_SOURCE \
	      -DDBLEAK_VERSION='"$(VERSION)"' -I. -fsanitize=address,undefined -fno-sanitize-recover=all

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '%-7s %s\n'
endif

.PHONY: all static install deb package man reference help clean unit golden live vmtest fuzz bench test clients san tools \
	check format tidy cppcheck coverage compile_commands bless
.SECONDARY:
.DELETE_ON_ERROR:

all: $(B)/dbleak $(B)/dbleak.8 ## build build/dbleak and its man page (the default)

man: $(B)/dbleak.8 ## build the man page, build/dbleak.8

reference: $(B)/dbleak ## write the options into user/command/README.md
	$(Q)scripts/reference $<

help: ## list the targets
	@sed -n 's/^\([a-z_]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

tools:
	@for t in $(CC) $(CLANG) $(BPFTOOL); do command -v $$t >/dev/null || \
	{ echo "dbleak: $$t is missing; 'sudo scripts/install build' installs what the build needs" >&2; exit 1; }; done

# $(call remember,NAME,WORDS): the file build/flags/NAME is as new as the last change of those words, so
# what is made with them depends on it, and an edit of this file rebuilds nothing else.
comma   := ,
differ   = $(subst x$(1),,x$(2))$(subst x$(2),,x$(1))
remember = $(if $(call differ,$(strip $(file <$(B)/flags/$(1))),$(strip $(2))),$(shell mkdir -p $(B)/flags)$(file >$(B)/flags/$(1),$(strip $(2))))
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),all)),)
$(call remember,cc,$(filter-out ccache,$(CC)) $(CFLAGS_ALL) $(HARDEN))
$(call remember,ld,$(HARDEN_LD) $(LDLIBS) $(USER_OBJ))
$(call remember,san,$(filter-out ccache,$(CC)) $(CFLAGS_ALL) $(SAN))
$(call remember,cov,$(filter-out ccache,$(CC)) $(CFLAGS_ALL) $(COV))
$(call remember,bpf,$(filter-out ccache,$(CLANG)) $(BPFFLAGS) $(BPF_OBJ))
$(call remember,fuzz,$(filter-out ccache,$(CLANG)) $(FUZZ_FLAGS))
$(call remember,parts,$(PART_SRC))
$(call remember,programs,$(filter-out ccache,$(CC)))
endif

$(B)/dbleak: $(USER_OBJ) $(B)/flags/ld
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(HARDEN_LD) -o $@ $(USER_OBJ) $(LDLIBS)

# Debian ships libZydis without its archive; scripts/static-source brings its source.
ZYDIS_SRC := $(wildcard $(B)/static/zydis/src/*.c)
ZYDIS_A   := $(firstword $(wildcard /usr/lib/libZydis.a /usr/lib/*/libZydis.a /usr/local/lib/libZydis.a) $(B)/static/libZydis.a)
STATIC_LIBS := -lbpf -ldw -lelf -lz -llzma -lbz2 $(if $(wildcard /usr/lib/*/libzstd.a /usr/lib/libzstd.a),-lzstd) \
	       $(ZYDIS_A) -ljansson -lcap-ng -lseccomp -lmicrohttpd -lncursesw -ltinfo -lsupc++ -lm -lpthread
# Its archive names functions of GnuTLS, which has none; see user/serve/tls_static.c.
TLS_NONE     = $(patsubst %,-Wl$(comma)--defsym=%=tls_is_missing,$(filter-out gnutls_global_init gnutls_global_deinit,\
	       $(shell nm -u "$$($(CC) -print-file-name=libmicrohttpd.a)" 2>/dev/null | awk '$$2 ~ /^gnutls_/ && !seen[$$2]++ { print $$2 }')))
STATIC_LD   := $(filter-out -pie,$(HARDEN_LD)) -static-pie -Wl,--build-id=none -Wl,--strip-all

$(B)/static/libZydis.a: $(ZYDIS_SRC:$(B)/static/zydis/src/%.c=$(B)/static/zydis/%.o)
	$(Q)[ -n "$^" ] || { echo "dbleak: the archive of libZydis is missing; 'sudo scripts/install static' brings its source" >&2; exit 1; }
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$(B)/static/zydis/%.o: $(B)/static/zydis/src/%.c
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(ANYWHERE) -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -I$(B)/static/zydis/include \
		-I$(B)/static/zydis/src -c -o $@ $<

# The linker warns of initgroups and getpwuid: dbleak never calls libcap-ng's function that does.
static: $(B)/static/dbleak ## build build/static/dbleak, one file that needs no library

$(B)/static/dbleak: $(STATIC_OBJ) $(ZYDIS_A) $(B)/flags/ld
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(STATIC_LD) -o $@ $(STATIC_OBJ) $(STATIC_LIBS) $(TLS_NONE)

PREFIX  ?= /usr/local
DESTDIR ?=
# $(call put,MODE,FILE,PLACE)
put = install -D -m $(1) $(2) '$(DESTDIR)$(3)'

install: all $(B)/completion/bash $(B)/completion/zsh $(B)/completion/fish ## install under PREFIX (/usr/local), below DESTDIR
	$(Q)$(call put,0755,$(B)/dbleak,$(PREFIX)/sbin/dbleak)
	$(Q)$(call put,0644,$(B)/dbleak.8,$(PREFIX)/share/man/man8/dbleak.8)
	$(Q)$(call put,0644,LICENSE,$(PREFIX)/share/doc/dbleak/copyright)
	$(Q)$(call put,0644,$(B)/completion/bash,$(PREFIX)/share/bash-completion/completions/dbleak)
	$(Q)$(call put,0644,$(B)/completion/zsh,$(PREFIX)/share/zsh/vendor-completions/_dbleak)
	$(Q)$(call put,0644,$(B)/completion/fish,$(PREFIX)/share/fish/vendor_completions.d/dbleak.fish)
	$(Q)sed 's#/usr/local/sbin/#$(PREFIX)/sbin/#' scripts/package/dbleak.service >$(B)/dbleak.service
	$(Q)$(call put,0644,$(B)/dbleak.service,$(PREFIX)/lib/systemd/system/dbleak.service)

deb: all $(B)/completion/bash $(B)/completion/zsh $(B)/completion/fish ## make a Debian package for the distribution of this host
	$(Q)scripts/package/deb $(VERSION)

package: all static ## check the static file and what `make install` puts where (needs root)
	$(Q)tests/package

$(B)/completion/%: $(B)/dbleak
	$(Q)mkdir -p $(@D)
	$(Q)$< help --completion $(@F) >$@

$(B)/dbleak.8: $(B)/dbleak
	$(say) MAN $@
	$(Q)$< help --man >$@

$(B)/user/%.o: user/%.c $(B)/flags/cc
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(HARDEN) $(ANYWHERE) $(DEPS) -c -o $@ $<

$(SKEL_SRC:%.c=$(B)/%.o) $(SKEL_SRC:%.c=$(B)/san/%.o): | $(B)/gen/dbleak.skel.h

# The page of --html is assembled into its object, in every way to compile it.
HTML_PARTS := $(wildcard user/report/html/*)
$(B)/user/report/html_parts.o $(B)/san/user/report/html_parts.o $(B)/fuzz/user/report/html_parts.o $(B)/cov/user/report/html_parts.o: $(HTML_PARTS)

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/flags/bpf | tools
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) $(ANYWHERE) $(DEPS) -c -o $@ $<

$(B)/bpf/dbleak.o: $(BPF_OBJ) $(B)/flags/bpf
	$(say) LINK $@
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJ)

$(B)/gen/dbleak.skel.h: $(B)/bpf/dbleak.o
	$(say) SKEL $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name dbleak > $@

$(B)/san/%.o: %.c $(B)/flags/san
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) $(DEPS) -c -o $@ $<

# The parts as archives, so that a test takes from one what it calls and no more; what a test defines
# itself is not taken.
$(B)/user/parts.a: $(PART_SRC:%.c=$(B)/%.o)
$(B)/san/parts.a: $(PART_SRC:%.c=$(B)/san/%.o)
$(B)/fuzz/parts.a: $(PART_SRC:%.c=$(B)/fuzz/%.o)
$(B)/user/parts.a $(B)/san/parts.a $(B)/fuzz/parts.a: $(B)/flags/parts
	$(Q)rm -f $@
	$(Q)ar rcsT $@ $(filter %.o,$^)

# $(call link,COMMAND,ARCHIVE,LIBRARIES): links $< with what it needs of the archive, and writes FILE.used.d:
# the objects that were taken.  Such a target waits for the archive, but is made anew only after one of those.
link = $(1) -o $@ $< $(2) -Wl,--as-needed $(3) -Wl,--trace >$@.used && \
	awk '/^$(subst /,\/,$(B))\/.*\.o$$/ && !seen[$$0]++ { print "$@: " $$0; print $$0 ":" }' $@.used >$@.used.d && rm $@.used

# bcc, where it is installed, reads static probes beside us: linked statically, and into tests alone.
BCC       := $(wildcard /usr/lib/$(shell uname -m)-linux-gnu/libbcc-loader-static.a)
UNIT_LIBS := -lcmocka $(BCC) $(LDLIBS)
$(foreach t,$(UNIT_SRC),$(eval $(call unit_of,$(t),unit): $(B)/san/$(t:.c=.o)))
$(UNIT_BIN): | $(B)/san/parts.a
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(SAN),$(B)/san/parts.a,$(UNIT_LIBS))

# Programs that tests look at.
$(B)/unit/test_allocator: | $(B)/unit/programs/stack-O2 $(B)/unit/programs/stack-static
STACK_BUILDS := O0 O2 chain static nopie dwarf4 packed rust split split-folder stripped
$(B)/unit/test_usdt: | $(B)/unit/programs/usdt
$(B)/unit/test_look: | $(B)/unit/programs/stack-static
$(B)/unit/test_native: | $(STACK_BUILDS:%=$(B)/unit/programs/stack-%)

# One program, its stack to be read from each way to compile it.
STACK_O0     := -O0 -g
STACK_O2     := -O2 -g
STACK_chain  := -O1 -g -fno-omit-frame-pointer -fno-asynchronous-unwind-tables
STACK_static := -O2 -g -static
STACK_nopie  := -O2 -g -no-pie -fno-pie
STACK_dwarf4 := -O2 -gdwarf-4
STACK_packed := -O2 -g -gz
$(B)/unit/programs/stack-%: tests/unit/programs/stack.c $(B)/flags/programs
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STACK_$*) -I. -Wall -Wextra -Werror $(DEPS:.d=.dep) -o $@ $<

# The unit says that it is written in Rust.
$(B)/unit/programs/stack-rust: tests/unit/programs/stack.c $(B)/flags/programs
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STACK_dwarf4) -dA -S -I. $(DEPS:.d=.dep) -o $@.s $<
	$(Q)sed -i '/byte.*DW_AT_language/s/0x[0-9a-f]*/0x1c/' $@.s
	$(Q)$(CC) -o $@ $@.s

$(B)/unit/programs/usdt: tests/unit/programs/usdt.c $(B)/flags/programs
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -I. -Wall -Wextra -Werror $(DEPS:.d=.dep) -o $@ $<

# By build id there, by checksum alone here: beside the program and in a folder beside it.
SPLIT = objcopy --only-keep-debug $(1) $(2) && objcopy --strip-all --add-gnu-debuglink=$(2) $(1) $@
$(B)/unit/programs/stack-split: $(B)/unit/programs/stack-O2
	$(Q)$(call SPLIT,$<,$@.debug)
$(B)/unit/programs/stack-split-folder: tests/unit/programs/stack.c $(B)/flags/programs
	$(Q)mkdir -p $(@D)/.debug
	$(Q)$(CC) -O2 -g -I. -Wl,--build-id=none $(DEPS:.d=.dep) -o $@.whole $<
	$(Q)$(call SPLIT,$@.whole,$(@D)/.debug/$(@F).debug)
$(B)/unit/programs/stack-stripped: $(B)/unit/programs/stack-O2
	$(Q)strip -o $@ $<

$(B)/clients/%: tests/live/clients/%.c $(B)/flags/cc
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror -I/usr/include/postgresql -I/usr/include/mariadb $(DEPS) -o $@ $< -lpq -lmariadb -lsqlite3 -lhiredis

$(B)/clients/harm: tests/live/clients/harm.cpp tests/live/clients/harm_library.h
	$(say) CXX $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -O2 -g -Wall -Wextra -Werror -I/usr/include/postgresql -I/usr/include/mariadb $(DEPS) -o $@ $< \
		-lpq -lmariadb -lsqlite3 -lhiredis

# operator new, of the C++ library and of a copy in a static program.
$(B)/clients/heap_throws $(B)/clients/heap_throws_static: tests/live/clients/heap_throws.cpp $(B)/flags/cc
	$(say) CXX $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -O1 -g -fno-builtin -Wall -Wextra -Werror $(if $(findstring static,$@),-static) $(DEPS) -o $@ $<

# One family of allocations with other C libraries, and with copies of them.
HEAP_FLAGS := -O2 -g -Wall -Wextra -Werror
$(B)/clients/heap_static:      HEAP_CC = $(CC) $(HEAP_FLAGS) -static
$(B)/clients/heap_static_pie:  HEAP_CC = $(CC) $(HEAP_FLAGS) -static-pie
$(B)/clients/heap_jemalloc:    HEAP_CC = $(CC) $(HEAP_FLAGS)
$(B)/clients/heap_jemalloc:    HEAP_LIBS := -ljemalloc
$(B)/clients/heap_musl:        HEAP_CC = musl-gcc -O2 -g
$(B)/clients/heap_musl_static: HEAP_CC = musl-gcc -O2 -g -static
$(addprefix $(B)/clients/heap_,static static_pie jemalloc musl musl_static): tests/live/clients/heap_family.c $(B)/flags/cc
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(HEAP_CC) $(DEPS) -o $@ $< $(HEAP_LIBS)

# SQLite linked into the program: with its symbols, and without any.
$(B)/clients/lite_static: tests/live/clients/lite_calls.c $(B)/flags/cc
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror $(DEPS) -o $@ $< -l:libsqlite3.a -lm

# With the distribution's compiler and crates alone, so nothing is downloaded.  Without this client only its
# own cases fail.
CARGO_BUILD := env -i PATH=/usr/bin:/bin CARGO_HOME=$(abspath $(B))/rust/home cargo build --offline --release --quiet
$(RUST_CLIENT): tests/live/clients/unclosed_rust.rs tests/live/clients/unclosed_rust.toml
	$(say) CARGO $@
	$(Q)mkdir -p $(@D) $(B)/rust/.cargo
	$(Q)printf '[source.crates-io]\nreplace-with = "packaged"\n[source.packaged]\ndirectory = "%s"\n' \
		/usr/share/cargo/registry >$(B)/rust/.cargo/config.toml
	$(Q)sed 's|@CLIENTS@|$(CURDIR)/tests/live/clients|' tests/live/clients/unclosed_rust.toml >$(B)/rust/Cargo.toml
	$(Q)-cd $(B)/rust && $(CARGO_BUILD) && cp target/release/unclosed_rust $(CURDIR)/$@

$(B)/clients/heap_stripped: $(B)/clients/heap_static
$(B)/clients/lite_stripped: $(B)/clients/lite_static
$(B)/clients/heap_stripped $(B)/clients/lite_stripped:
	$(say) STRIP $@
	$(Q)strip -o $@ $<

$(LIVE_BIN): $(B)/live/%: $(B)/san/tests/live/%.o | $(B)/san/parts.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(SAN),$(B)/san/parts.a,$(UNIT_LIBS))

# The whole program with the sanitizers, for live tests of our own code.
$(B)/san/dbleak: $(USER_SRC:%.c=$(B)/san/%.o) $(B)/flags/ld
	$(say) LD $@
	$(Q)$(CC) $(SAN) -o $@ $(filter %.o,$^) $(LDLIBS)

san: $(B)/san/dbleak ## the whole program under ASan and UBSan

# Freed memory stays unused until so much has been freed; new pages are what long tests pay most for.
# `make unit TEST_EXTENT=whole` runs them whole, as scripts/test does, and with the sanitizer's own bounds.
TEST_EXTENT ?= part
UNIT_ASAN   := $(if $(filter whole,$(TEST_EXTENT)),,quarantine_size_mb=16:malloc_context_size=8)
# Those that take or wait the longest begin first, so that no processor is idle at the end.
UNIT_LONG   := $(addprefix $(B)/unit/test_,watchdog keep objects forget publisher object_tasks exporter native \
	       wire_mysql wire_postgresql)
unit: export ASAN_OPTIONS := $(UNIT_ASAN)$(ASAN_OPTIONS:%=:%)
# Half of a run waits for clocks, so two for each processor.
unit: $(UNIT_BIN) ## unit tests under ASan and UBSan, without root; TEST_EXTENT=whole for long ones
	$(Q)export TEST_EXTENT=$(TEST_EXTENT); printf '%s\n' $(UNIT_LONG) $(filter-out $(UNIT_LONG),$(UNIT_BIN)) | \
		xargs -P "$$((2 * $$(nproc)))" -I% sh -c '% >%.log 2>&1 || echo failed >>%.log; cat %.log; \
		! grep -qx failed %.log'

# On the fast objects, not the checked ones: what is measured is what users run.
BENCH_LIBS := -lpq -lsqlite3 -lcmocka $(LDLIBS)
$(BENCH_BIN): $(B)/bench/%: tests/bench/%.c $(B)/flags/cc | $(B)/user/parts.a
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(CFLAGS_ALL) $(DEPS) -I/usr/include/postgresql,$(B)/user/parts.a,$(BENCH_LIBS))

$(B)/bench/native: | $(B)/unit/programs/stack-O2

BENCH_PAIRS ?= 9
bench: $(B)/dbleak $(BENCH_BIN) ## measure the speed into tests/bench/RESULTS.md, as root; BENCH=ROW for one row, BENCH_PAIRS=9
	$(Q)tests/bench/run --write --pairs $(BENCH_PAIRS) $(BENCH)

clients: $(C_CLIENT) $(RUST_CLIENT) $(LIVE_BIN) ## C test clients, and one in Rust where its crates are installed

live: $(B)/dbleak $(C_CLIENT) $(RUST_CLIENT) $(LIVE_BIN) ## real clients on real, private servers (root)
	$(Q)/usr/bin/python3 tests/live/run

test: ## everything, as scripts/test runs it (root)
	$(Q)scripts/test

clean: ## remove build/
	$(Q)rm -rf $(B)

RELEASES ?= bookworm trixie
vmtest: $(B)/dbleak $(B)/static/dbleak ## kernels of Debian's releases, in a VM (root); RELEASES="bullseye bookworm trixie sid"
	$(Q)scripts/vmtest $(RELEASES)

# The goldens that are told, not recorded, come of tell and tell_memory.
$(B)/golden/%: $(B)/san/tests/golden/%.o | $(B)/san/parts.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(SAN),$(B)/san/parts.a,$(UNIT_LIBS))

golden: $(B)/golden/replay ## recordings replayed to the same reports, without root
	$(Q)tests/golden/run $<

$(B)/fuzz/%.o: %.c $(B)/flags/fuzz
	$(say) FUZZ $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(DEPS) -c -o $@ $< || \
	{ echo "dbleak: $(CLANG) cannot build fuzzers; 'sudo scripts/install test' installs what the tests need" >&2; exit 1; }

FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZ_BIN): $(B)/fuzz/%: $(B)/fuzz/tests/fuzz/%.o | $(B)/fuzz/parts.a
	$(say) FUZZ $@
	$(Q)$(call link,$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer,$(B)/fuzz/parts.a,$(LDLIBS))

# Unit tests built to keep what they feed to the code under test.
SEEDS   := $(shell grep -lE '/(seed|wire_script)\.h"' $(UNIT_SRC))
seed_of   = $(patsubst test_%,$(B)/fuzz/seed_%,$(basename $(notdir $(1))))
SEED_BIN := $(foreach t,$(SEEDS),$(call seed_of,$(t)))
$(foreach t,$(SEEDS),$(eval $(call seed_of,$(t)): $(t) $(B)/flags/cc))
$(SEED_BIN): | $(B)/user/parts.a
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(CFLAGS_ALL) $(DEPS) -DSEEDS,$(B)/user/parts.a,$(UNIT_LIBS))

FUZZ_SECONDS ?= 80
fuzz: $(FUZZ_BIN) $(SEED_BIN) ## fuzz what reads foreign bytes, FUZZ_SECONDS=80
	$(Q)tests/fuzz/seed $(B)/fuzz
	$(Q)tests/fuzz/run $(B)/fuzz $(FUZZ_SECONDS)

# Says what to install where a tool is missing: $(call need,TOOL,PACKAGE).
need = command -v $(1) >/dev/null || { echo "dbleak: $(1) is missing (package $(2))" >&2; exit 1; }

check: unit golden ## unit tests, goldens, purity, layers, sentences and format: without root or a server
	$(Q)tests/purity
	$(Q)tests/layers
	$(Q)tests/sentences
	$(Q)tests/format

format: ## lay out the C sources as .clang-format says
	$(Q)$(call need,clang-format,clang-format)
	$(Q)tests/format --fix

# Goldens of recordings change when a report changes; those of tell and tell_memory also when a record grows.
bless: $(B)/golden/replay $(B)/golden/tell $(B)/golden/tell_memory ## make the goldens anew, and accept them; read the diff
	$(Q)$(B)/golden/tell tests/golden/places.dbleak
	$(Q)$(B)/golden/tell_memory tests/golden/memory.dbleak
	$(Q)tests/golden/run $(B)/golden/replay --accept
	@git --no-pager diff --stat -- tests/golden 2>/dev/null || :

compile_commands: ## build/compile_commands.json, for clangd and clang-tidy
	$(Q)mkdir -p $(B)
	$(Q)$(MAKE) -nB --no-print-directory all $(UNIT_BIN) | tests/compile_commands $(HARDEN) >$(B)/compile_commands.json
	@echo "$$(grep -c '"file":' $(B)/compile_commands.json) sources in $(B)/compile_commands.json"

TIDY ?= $(USER_SRC)
tidy: compile_commands $(B)/gen/dbleak.skel.h ## what clang-tidy suspects; TIDY='user/base/file.c' for some files
	$(Q)$(call need,clang-tidy,clang-tidy)
	$(Q)printf '%s\n' $(TIDY) | xargs -P "$$(nproc)" -n 4 clang-tidy --quiet '--warnings-as-errors=*' --extra-arg=-isystem$(B)/gen -p $(B) 2>/dev/null

CPPCHECK ?= bpf user
cppcheck: ## what cppcheck suspects; CPPCHECK='user/base' for some files
	$(Q)$(call need,cppcheck,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr -j "$$(nproc)" \
		--error-exitcode=1 --library=tests/cppcheck.cfg -I. -D_GNU_SOURCE -D__x86_64__ -DDBLEAK_VERSION='""' $(CPPCHECK)

# Unit tests once more, on checked objects that count their lines, too; an older run's counts would be added.
ROOM ?= user/capture
COV_BIN := $(foreach t,$(UNIT_SRC),$(call unit_of,$(t),cov/unit))
coverage: $(COV_BIN) $(STACK_BUILDS:%=$(B)/unit/programs/stack-%) ## lines of ROOM (default user/capture) that unit tests reach
	$(Q)find $(B)/cov -name '*.gcda' -delete
	$(Q)printf '%s\n' $(filter $(B)/cov/unit/%,$^) | xargs -P "$$(nproc)" -I% sh -c '% >%.log 2>&1 || echo "failed: %, see %.log"'
	$(Q)tests/coverage $(B)/cov $(ROOM)

$(B)/cov/%.o: %.c $(B)/flags/cov
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(COV) $(DEPS) -c -o $@ $<

$(B)/cov/parts.a: $(PART_SRC:%.c=$(B)/cov/%.o) $(B)/flags/parts
	$(Q)rm -f $@
	$(Q)ar rcsT $@ $(filter %.o,$^)

$(foreach t,$(UNIT_SRC),$(eval $(call unit_of,$(t),cov/unit): $(B)/cov/$(t:.c=.o)))
# Workers count, too: their counters are those of the test.
COUNTERS := tests/unit/support/shared_counters
# Beside the tests, where they look for them.
$(B)/cov/unit/programs: | $(B)/unit/programs/stack-O2
	$(Q)mkdir -p $(@D)
	$(Q)ln -sfn ../../unit/programs $@

$(COV_BIN): | $(B)/cov/unit/programs $(COUNTERS).ld $(B)/cov/$(COUNTERS).o $(B)/cov/parts.a
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(call link,$(CC) $(COV) $(B)/cov/$(COUNTERS).o -Wl$(comma)-T$(comma)$(COUNTERS).ld,$(B)/cov/parts.a,$(UNIT_LIBS))

# With an empty rule of their own, or a pattern above would make them: stack-O0.d as a build of stack.c.
DEP_FILES := $(shell find $(wildcard $(addprefix $(B)/,user bpf san unit clients live bench golden fuzz cov)) \
	     -name programs -prune -o -name '*.d' -print 2>/dev/null) $(wildcard $(B)/unit/programs/*.dep)
$(DEP_FILES): ;
-include $(DEP_FILES)
