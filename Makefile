# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# dbleak: make help lists the targets.  All products go under build/.

VERSION  := 0.1.0
B        := build
V        ?= 0
CC       ?= gcc
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/lib/linux-tools/*/bpftool) bpftool)

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS   ?= -O2 -g
CFLAGS_ALL = $(CFLAGS) $(WARN) -std=gnu11 -D_GNU_SOURCE -DDBLEAK_VERSION='"$(VERSION)"' -I$(B)/gen
LDLIBS   := -lbpf -ldw -lelf -lz -llzma -lZydis -ljansson -lm -lpthread
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Werror -Wshadow \
	    -Wno-unused-parameter -idirafter /usr/include/$(shell uname -m)-linux-gnu

# Those that own maps first: bpftool 7.1 misplaces a map that is defined after its first use.
BPF_OWNER := bpf/emit.bpf.c bpf/stack.bpf.c bpf/ledger.bpf.c bpf/process.bpf.c bpf/client.bpf.c \
	     bpf/growth.bpf.c bpf/socket.bpf.c
BPF_SRC  := $(BPF_OWNER) $(filter-out $(BPF_OWNER),$(wildcard bpf/*.bpf.c))
BPF_HDR  := $(wildcard bpf/*.h)
BPF_OBJ  := $(BPF_SRC:%.bpf.c=$(B)/%.bpf.o)
USER_SRC := $(wildcard user/*.c user/*/*.c)
USER_HDR := $(wildcard user/*.h user/*/*.h)
USER_OBJ := $(USER_SRC:%.c=$(B)/%.o)

# The pure half: no clock, no /proc, no libbpf.  Unit tests, goldens and fuzzers link this alone.
PURE_SRC := $(wildcard user/base/*.c user/record/*.c user/model/*.c user/report/*.c)
SAN      := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
PURE_SAN := $(PURE_SRC:%.c=$(B)/san/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
HEAP_CLIENT := $(addprefix $(B)/clients/,heap_static heap_static_pie heap_stripped) $(if $(wildcard /usr/lib/x86_64-linux-gnu/libjemalloc.so),$(B)/clients/heap_jemalloc) \
	       $(if $(shell command -v musl-gcc),$(addprefix $(B)/clients/,heap_musl heap_musl_static))
C_CLIENT := $(patsubst tests/live/clients/%.c,$(B)/clients/%,$(wildcard tests/live/clients/*.c)) \
	    $(B)/clients/lite_static $(B)/clients/lite_stripped $(HEAP_CLIENT)

# Our own code with the sanitizers, on real processes.
LIVE_BIN := $(patsubst tests/live/%.c,$(B)/live/%,$(wildcard tests/live/*.c))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '%-7s %s\n'
endif

.PHONY: all help clean unit golden live vmtest fuzz bench test clients format pure san tools
.SECONDARY:
.DELETE_ON_ERROR:

all: $(B)/dbleak ## build build/dbleak (the default)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

tools:
	@for t in $(CC) $(CLANG) $(BPFTOOL); do command -v $$t >/dev/null || \
	{ echo "dbleak: $$t is missing; 'sudo scripts/install build' installs what the build needs" >&2; exit 1; }; done

$(B)/dbleak: $(USER_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(B)/user/%.o: user/%.c $(USER_HDR) bpf/event.h $(B)/gen/dbleak.skel.h Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HDR) Makefile | tools
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -c -o $@ $<

$(B)/bpf/dbleak.o: $(BPF_OBJ)
	$(say) LINK $@
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/gen/dbleak.skel.h: $(B)/bpf/dbleak.o
	$(say) SKEL $@
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name dbleak > $@

$(B)/san/%.o: %.c $(USER_HDR) $(wildcard bpf/*.h) Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) -c -o $@ $<

# Tests of what is not pure include its source.
$(B)/unit/%: tests/unit/%.c $(PURE_SAN) $(wildcard user/capture/*.c) $(USER_HDR) $(wildcard tests/unit/*.h) $(wildcard bpf/*.h)
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) -o $@ $< $(filter %.o,$^) -lcmocka -ljansson -lz $(UNIT_LIBS)

$(B)/unit/test_elf: UNIT_LIBS := -llzma
$(B)/unit/test_php $(B)/unit/test_perl $(B)/unit/test_v8: UNIT_LIBS := -llzma
$(B)/unit/test_allocator: UNIT_LIBS := -llzma -lZydis
$(B)/unit/test_allocator: | $(B)/unit/programs/stack-O2 $(B)/unit/programs/stack-static
$(B)/unit/test_probe_point $(B)/unit/test_call_site: UNIT_LIBS := -llzma -lZydis
$(B)/unit/test_pool_code: UNIT_LIBS := -llzma -lZydis
$(B)/unit/test_pool_code $(B)/unit/test_call_site: $(B)/san/user/capture/frame_table.o
$(B)/unit/test_row_counter: UNIT_LIBS := -lZydis
$(B)/unit/test_owner $(B)/unit/test_watchdog: $(B)/san/user/capture/looking.o
$(B)/unit/test_watchdog: UNIT_LIBS := -lpthread
$(B)/unit/test_watchdog: user/command/watchdog.c user/command/watchdog.h
$(B)/unit/test_growth_site $(B)/unit/test_library_balance: UNIT_LIBS := -lm

# The reader of native stacks is a process of many parts.
NATIVE   := native native_worker space module symbol source unwind debug_file demangle jit_map known guard go_table procfs
NATIVE_LIBS := -ldw -lelf -llzma -lz
STACK_BUILDS := O0 O2 chain static nopie dwarf4 packed split split-folder stripped
$(B)/unit/test_native_answer: $(B)/san/user/capture/known.o $(B)/san/user/capture/guard.o
$(B)/unit/test_native: $(NATIVE:%=$(B)/san/user/capture/%.o) | $(STACK_BUILDS:%=$(B)/unit/programs/stack-%)
$(B)/unit/test_native: UNIT_LIBS := $(NATIVE_LIBS)

# One program, its stack to be read from each way to compile it.
STACK_O0     := -O0 -g
STACK_O2     := -O2 -g
STACK_chain  := -O1 -g -fno-omit-frame-pointer -fno-asynchronous-unwind-tables
STACK_static := -O2 -g -static
STACK_nopie  := -O2 -g -no-pie -fno-pie
STACK_dwarf4 := -O2 -gdwarf-4
STACK_packed := -O2 -g -gz
$(B)/unit/programs/stack-%: tests/unit/programs/stack.c bpf/stack.h bpf/event.h Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STACK_$*) -Wall -Wextra -Werror -o $@ $<

# By build id there, by checksum alone here: beside the program and in a folder beside it.
SPLIT = objcopy --only-keep-debug $(1) $(2) && objcopy --strip-all --add-gnu-debuglink=$(2) $(1) $@
$(B)/unit/programs/stack-split: $(B)/unit/programs/stack-O2
	$(Q)$(call SPLIT,$<,$@.debug)
$(B)/unit/programs/stack-split-folder: tests/unit/programs/stack.c bpf/stack.h bpf/event.h
	$(Q)mkdir -p $(@D)/.debug
	$(Q)$(CC) -O2 -g -Wl,--build-id=none -o $@.whole $<
	$(Q)$(call SPLIT,$@.whole,$(@D)/.debug/$(@F).debug)
$(B)/unit/programs/stack-stripped: $(B)/unit/programs/stack-O2
	$(Q)strip -o $@ $<

$(B)/clients/%: tests/live/clients/%.c $(wildcard tests/live/clients/*.h)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror -I/usr/include/postgresql -I/usr/include/mariadb -o $@ $< -lpq -lmariadb -lsqlite3 -lhiredis

# One family of allocations with other C libraries, and with copies of them.
$(B)/clients/heap_static: tests/live/clients/heap_family.c
	$(say) CC $@
	$(Q)$(CC) -O2 -g -static -Wall -Wextra -Werror -o $@ $<

$(B)/clients/heap_static_pie: tests/live/clients/heap_family.c
	$(say) CC $@
	$(Q)$(CC) -O2 -g -static-pie -Wall -Wextra -Werror -o $@ $<

$(B)/clients/heap_stripped: $(B)/clients/heap_static
	$(say) STRIP $@
	$(Q)strip -o $@ $<

$(B)/clients/heap_jemalloc: tests/live/clients/heap_family.c
	$(say) CC $@
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror -o $@ $< -ljemalloc

$(B)/clients/heap_musl: tests/live/clients/heap_family.c
	$(say) CC $@
	$(Q)musl-gcc -O2 -g -o $@ $<

$(B)/clients/heap_musl_static: tests/live/clients/heap_family.c
	$(say) CC $@
	$(Q)musl-gcc -O2 -g -static -o $@ $<

# SQLite linked into the program: with its symbols, and without any.
$(B)/clients/lite_static: tests/live/clients/lite_calls.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror -o $@ $< -l:libsqlite3.a -lm

$(B)/clients/lite_stripped: $(B)/clients/lite_static
	$(say) STRIP $@
	$(Q)strip -o $@ $<

$(B)/live/%: tests/live/%.c $(addprefix $(B)/san/user/,capture/library.o capture/overlay.o capture/procfs.o base/file.o base/table.o)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) -o $@ $^ -lcmocka

# The whole program with the sanitizers, for live tests of our own code.
$(B)/san/user/%.o: | $(B)/gen/dbleak.skel.h

$(B)/san/dbleak: $(USER_SRC:%.c=$(B)/san/%.o)
	$(say) LD $@
	$(Q)$(CC) $(SAN) -o $@ $^ $(LDLIBS)

san: $(B)/san/dbleak ## the whole program under ASan and UBSan

unit: $(UNIT_BIN) ## unit tests under ASan and UBSan, without root
	$(Q)printf '%s\n' $(UNIT_BIN) | xargs -P "$$(nproc)" -I% sh -c '% >%.log 2>&1 || echo failed >>%.log; cat %.log; \
		! grep -qx failed %.log'

# On the fast objects, not the checked ones: what is measured is what users run.
$(B)/bench/%: tests/bench/%.c $(PURE_SRC:%.c=$(B)/%.o) $(USER_HDR) bpf/event.h
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $< $(filter-out $(PURE_SRC:%.c=$(B)/%.o),$(filter %.o,$^)) \
		$(PURE_SRC:%.c=$(B)/%.o) $(BENCH_LIBS) -ljansson -lz -lm

$(B)/bench/handles: BENCH_LIBS := -I/usr/include/postgresql -lpq
$(B)/bench/stack_storm: BENCH_LIBS := -I/usr/include/postgresql -lpq
$(B)/bench/deep_stack: BENCH_LIBS := -I/usr/include/postgresql -lpq
$(B)/bench/lite_loop $(B)/bench/growth_loop: BENCH_LIBS := -lsqlite3
$(B)/bench/native: BENCH_LIBS := $(NATIVE_LIBS)
$(B)/bench/native: bpf/stack.h $(NATIVE:%=$(B)/user/capture/%.o) | $(B)/unit/programs/stack-O2
$(B)/bench/python: $(addprefix $(B)/user/capture/,python.o python_line.o)
$(B)/bench/prices: BENCH_LIBS := -lbpf -lelf -llzma -lZydis
$(B)/bench/prices: $(addprefix $(B)/user/capture/,elf.o probe.o probe_point.o probe_table.o)

BENCH_PAIRS ?= 9
bench: $(B)/dbleak $(BENCH_BIN) ## measure the speed, as root; BENCH=ROW for one row, BENCH_PAIRS=9
	$(Q)tests/bench/run --pairs $(BENCH_PAIRS) $(BENCH)

clients: $(C_CLIENT) $(LIVE_BIN) ## C test clients

live: $(B)/dbleak $(C_CLIENT) $(LIVE_BIN) ## real clients on real, private servers (root)
	$(Q)/usr/bin/python3 tests/live/run

test: ## everything, as scripts/test runs it (root)
	$(Q)scripts/test

clean: ## remove build/
	$(Q)rm -rf $(B)

vmtest: $(B)/dbleak ## the other door to the sockets, on Debian's 6.1 kernel in a VM (root)
	$(Q)scripts/vmtest

$(B)/golden/replay: tests/golden/replay.c $(PURE_SAN)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) -o $@ $< $(PURE_SAN) -ljansson -lz -lm

# The goldens that are told, not recorded; compared with what is in the repository.
$(B)/golden/tell $(B)/golden/tell_memory: $(B)/golden/%: tests/golden/%.c $(wildcard tests/unit/*story.h) $(PURE_SAN)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SAN) -o $@ $< $(PURE_SAN) -lcmocka -ljansson -lz -lm

golden: $(B)/golden/replay ## recordings replayed to the same reports, without root
	$(Q)tests/golden/run $<

# Needs clang's libFuzzer (Debian: libclang-rt-*-dev, with clang).
FUZZ_SECONDS ?= 80
FUZZ_FLAGS := -O1 -g $(filter-out -Werror,$(WARN)) -std=gnu11 -D_GNU_SOURCE \
	      -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

FUZZ_LIBS  := -ljansson -lz -llzma -lZydis -lm

$(B)/fuzz/fuzz_wire: tests/fuzz/fuzz_wire.c tests/unit/wire_shim.h $(BPF_HDR)
$(B)/fuzz/fuzz_recording: tests/fuzz/fuzz_recording.c $(PURE_SRC) $(USER_HDR) bpf/event.h
$(B)/fuzz/fuzz_elf: tests/fuzz/fuzz_elf.c user/capture/elf.c user/capture/elf.h
$(B)/fuzz/fuzz_call_site: tests/fuzz/fuzz_call_site.c $(addprefix user/capture/,call_site.c frame_table.c elf.c call_site.h)
$(B)/fuzz/fuzz_pool_code: tests/fuzz/fuzz_pool_code.c $(addprefix user/capture/,pool_code.c frame_table.c memory.c elf.c pool_code.h)
$(B)/fuzz/fuzz_probe_point: tests/fuzz/fuzz_probe_point.c user/capture/probe_point.c user/capture/probe_point.h
$(B)/fuzz/fuzz_jit_map: tests/fuzz/fuzz_jit_map.c user/capture/jit_map.c user/base/file.c user/capture/jit_map.h
$(B)/fuzz/fuzz_go_table: tests/fuzz/fuzz_go_table.c user/capture/go_table.c user/capture/go_table.h
$(B)/fuzz/fuzz_native: tests/fuzz/fuzz_native.c user/capture/known.c user/capture/guard.c user/base/table.c \
		       $(wildcard user/capture/native*)
$(B)/fuzz/fuzz_frames: tests/fuzz/fuzz_frames.c $(addprefix user/capture/,php.c perl.c memory.c elf.c)
$(B)/fuzz/fuzz_v8: tests/fuzz/fuzz_v8.c tests/unit/v8_build.h user/capture/v8.c \
	$(addprefix user/capture/,v8_position.c memory.c elf.c)
$(B)/fuzz/fuzz_python: tests/fuzz/fuzz_python.c user/capture/python.c user/capture/python_line.c user/base/table.c \
		       $(wildcard user/capture/python*.h) bpf/python.h
$(B)/fuzz/fuzz_%:
	$(say) FUZZ $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -o $@ $(filter-out user/capture/native% user/capture/v8.c,$(filter %.c,$^)) $(FUZZ_LIBS) || \
	{ echo "dbleak: $(CLANG) cannot build fuzzers; 'sudo scripts/install test' installs what the tests need" >&2; exit 1; }

$(B)/fuzz/seed_%: tests/unit/test_wire_%.c $(wildcard tests/unit/wire_*.h) $(BPF_HDR)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -DWIRE_SEEDS -o $@ $< -lcmocka

$(B)/fuzz/seed_%: tests/unit/test_%.c tests/unit/seed.h $(wildcard user/capture/*.c)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -DSEEDS -o $@ $< $(SEED_SRC) -lcmocka $(FUZZ_LIBS)

$(B)/fuzz/seed_jit_map: SEED_SRC := user/base/file.c
$(B)/fuzz/seed_native_answer: SEED_SRC := $(addprefix user/,capture/known.c capture/guard.c base/table.c)

FUZZERS := wire recording elf call_site pool_code probe_point jit_map go_table native frames v8 python
SEEDERS := postgresql mysql elf probe_point jit_map go_table native_answer python_line

fuzz: $(FUZZERS:%=$(B)/fuzz/fuzz_%) $(SEEDERS:%=$(B)/fuzz/seed_%) ## fuzz what reads foreign bytes, FUZZ_SECONDS=80
	$(Q)tests/fuzz/seed $(B)/fuzz
	$(Q)tests/fuzz/run $(B)/fuzz $(FUZZ_SECONDS)
