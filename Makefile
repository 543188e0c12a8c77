# Event Router. `make demo` and `make test` install what they lack; every other target needs the packages of
# tests/support/setup.sh (sets build, test, lint). `make help` lists the targets.
MODE ?= release
# make SAN=address,undefined or SAN=thread is MODE=asan or MODE=tsan.
ifeq ($(origin SAN),command line)
MODE := $(if $(findstring thread,$(SAN)),tsan,asan)
endif
# FAULTS=1: failpoints and planted bugs for the fault rig (rules/base/faults.h).
BUILD ?= build/$(MODE)$(if $(FAULTS),-faults)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
VERSION := 0.1.0
CC ?= cc
PYTHON ?= /usr/bin/python3
comma := ,
PKGS := rdkafka libpcre2-8 sqlite3 libevent inih libxxhash libcurl yaml-0.1

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wcast-qual -Wformat=2 -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wwrite-strings -Wswitch-enum
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ifeq ($(MODE),release)
CFLAGS ?= -O2 -g
else ifeq ($(MODE),debug)
CFLAGS ?= -O0 -g3
HARDEN := -fPIE
else ifeq ($(MODE),asan)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SAN ?= address,undefined
HARDEN := -fPIE
else ifeq ($(MODE),tsan)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SAN ?= thread
HARDEN := -fPIE
# The memory map of gcc 12's TSan does not fit kernels with many bits of address randomisation.
RUN_PREFIX := setarch -R
TSAN_THREADS := tests/support/tsan/threads.c
else ifeq ($(MODE),fuzz)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SAN ?= address,undefined,fuzzer-no-link
FUZZ_MAIN := -fsanitize=fuzzer
HARDEN := -fPIE
else ifeq ($(MODE),cov)
CFLAGS ?= -O0 -g --coverage
LDFLAGS += --coverage
HARDEN := -fPIE
else
$(error MODE is release, debug, asan, tsan, fuzz or cov, not "$(MODE)")
endif
ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all
endif
ifneq ($(WERROR),)
WARN += -Werror
endif
# What eventrouterd takes its memory from: mimalloc, jemalloc or libc (docs/adr/0006). The tools that watch memory need libc's.
ALLOCATOR ?= $(if $(filter release,$(MODE)),mimalloc,libc)
ifeq ($(filter $(ALLOCATOR),mimalloc jemalloc libc),)
$(error ALLOCATOR is mimalloc, jemalloc or libc, not "$(ALLOCATOR)")
endif
ALLOCATOR_LIBS := $(if $(filter-out libc,$(ALLOCATOR)),-Wl$(comma)--push-state$(comma)--no-as-needed -l$(ALLOCATOR) -Wl$(comma)--pop-state)
# Asked when first needed (make demo may have to install pkg-config), then kept.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)) -lpthread)$(PKG_LIBS)
ALL_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. -I$(BUILD)/gen -DER_VERSION='"$(VERSION)"' $(WARN) $(HARDEN) \
             $(SANFLAGS) $(if $(FAULTS),-DER_FAULTS) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS) $(TSAN_THREADS)
# Own number of jobs, unless the user has said one.
JOBS = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(shell nproc))
AGAIN = $(MAKE) --no-print-directory $(JOBS)

# Short lines; make V=1 shows the commands.
Q := $(if $(V),,@)

all: $(BUILD)/eventrouterd $(BUILD)/eventrouterctl ## both programs, in build/$(MODE)

# Flags of the last build. When they are others now, what was built with them is out of date. Warnings are left out: they change no code.
quoted = '$(subst ','\'',$(strip $(1)))'
CODE_FLAGS = $(CC) $(filter-out $(WARN),$(ALL_CFLAGS))
LINK_FLAGS = $(CC) $(ALL_LDFLAGS) $(ALLOCATOR_LIBS)
ifneq ($(strip $(CODE_FLAGS)),$(strip $(file <$(BUILD)/flags-code)))
.PHONY: $(BUILD)/flags-code
endif
ifneq ($(strip $(LINK_FLAGS)),$(strip $(file <$(BUILD)/flags-link)))
.PHONY: $(BUILD)/flags-link
endif
$(BUILD)/flags-code $(BUILD)/flags-link:
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(if $(filter %-code,$@),$(CODE_FLAGS),$(LINK_FLAGS))) > $@

RULES_SRC := $(wildcard rules/*/*.c) $(if $(FAULTS),tests/faults/faults.c)
ROUTER_SRC := $(filter-out router/main.c,$(wildcard router/*.c))
CTL_SRC := $(wildcard admin/ctl_*.c)
ADMIN_SRC := $(filter-out $(CTL_SRC),$(wildcard admin/*.c))
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))

$(BUILD)/librules.a: $(call objs,$(RULES_SRC))
$(BUILD)/librouter.a: $(call objs,$(ROUTER_SRC))
$(BUILD)/libadmin.a: $(call objs,$(ADMIN_SRC))
$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/eventrouterd: $(call objs,router/main.c) $(BUILD)/librouter.a $(BUILD)/libadmin.a $(BUILD)/librules.a $(BUILD)/flags-link
	@$(if $(V),,echo "LD $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(ALLOCATOR_LIBS) $(PKG_LIBS)
$(BUILD)/eventrouterctl: $(call objs,$(CTL_SRC)) $(BUILD)/librules.a $(BUILD)/flags-link
	@$(if $(V),,echo "LD $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS)

$(BUILD)/%.o: %.c $(BUILD)/flags-code
	@mkdir -p $(@D)
	@$(if $(V),,echo "CC $<")
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# Files of schemas/ inside the programs: #include "schemas/NAME.inc" gives the bytes, separated by commas.
SCHEMAS := $(shell find schemas -name '*.json' -o -name '*.jsonl' -o -name '*.yaml' -o -name '*.sql' 2>/dev/null)
GEN := $(patsubst %,$(BUILD)/gen/%.inc,$(SCHEMAS))
$(BUILD)/gen/%.inc: %
	@mkdir -p $(@D)
	@od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g' > $@
$(call objs,$(RULES_SRC) $(ROUTER_SRC) router/main.c $(CTL_SRC) $(ADMIN_SRC)): | $(GEN)

# Tests in C: tests/<kind>/<layer>_<module>_test.c; the layer says which libraries it may link. Other files of tests/support/*.c
# (without a layer) are linked to every test of a kind other than unit.
TEST_SUPPORT := $(wildcard tests/support/*.c)
BENCH_SUPPORT := tests/bench/rule_lines.c
REPLAY_SUPPORT := $(filter-out %_test.c,$(wildcard tests/replay/*.c))
LIBS_rules := $(BUILD)/librules.a
LIBS_router := $(BUILD)/librouter.a $(BUILD)/librules.a
LIBS_admin := $(BUILD)/libadmin.a $(BUILD)/librules.a
kind_dir = $(if $(filter unit,$(1)),tests,$(1))
# $(call test_rule,kind,layer,suffix,support sources,libraries)
define test_rule
$(BUILD)/$(call kind_dir,$(1))/$(2)_%_$(3): tests/$(1)/$(2)_%_$(3).c $(4) $$(LIBS_$(2)) $$(BUILD)/flags-code | $$(GEN)
	@mkdir -p $$(@D)
	@$$(if $$(V),,echo "CC $$<")
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(PKG_CFLAGS) -MMD -MP -MF $$@.d -MT $$@ $$(ALL_LDFLAGS) -o $$@ $$< $(4) $$(LIBS_$(2)) $$(PKG_LIBS) $(5)
endef
# Starts the whole program.
$(BUILD)/mock/router_demo_test: | $(BUILD)/eventrouterd
FUZZ_DRIVER := $(if $(FUZZ_MAIN),,$(wildcard tests/fuzz/replay.c))
$(foreach l,rules router admin,$(foreach k,unit golden replay mock,$(eval $(call test_rule,$(k),$(l),test,$(if $(filter-out unit,$(k)),$(TEST_SUPPORT)) $(if $(filter replay,$(k)),$(REPLAY_SUPPORT)),-lcmocka))))
$(foreach l,rules router admin,$(eval $(call test_rule,fuzz,$(l),fuzz,$(FUZZ_DRIVER),$(FUZZ_MAIN))))
$(foreach l,rules router admin,$(eval $(call test_rule,bench,$(l),bench,$(BENCH_SUPPORT),)))
$(BUILD)/bench/copy: tests/bench/copy.c $(BUILD)/flags-code
	@mkdir -p $(@D)
	@$(if $(V),,echo "CC $<")
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(PKG_LIBS)

found = $(patsubst tests/$(1)/%.c,$(BUILD)/$(call kind_dir,$(1))/%,$(wildcard tests/$(1)/*_$(2).c))
UNIT := $(call found,unit,test)
GOLDEN := $(call found,golden,test)
REPLAY := $(call found,replay,test)
MOCK := $(call found,mock,test)
FUZZ := $(call found,fuzz,fuzz)
BENCH := $(call found,bench,bench)
ORACLE := $(wildcard tests/oracle/*_test.py)
SCHEMA_TESTS := $(wildcard tests/schemas/*_test.py)
CLI_TESTS := $(wildcard tests/cli/*_test.py)
GOLDEN_PY := $(wildcard tests/golden/*_test.py)
FAULT_TESTS := $(wildcard tests/faults/*_test.py)

# LIBRDKAFKA=FOLDER: what is tested runs with the librdkafka.so.1 of that folder; the clients that watch it in the integration tests keep
# the system's.
ifneq ($(LIBRDKAFKA),)
ifeq ($(wildcard $(LIBRDKAFKA)/librdkafka.so.1),)
$(error LIBRDKAFKA is a folder with a librdkafka.so.1, not "$(LIBRDKAFKA)")
endif
WITH_LIBRDKAFKA := env LD_LIBRARY_PATH=$(abspath $(LIBRDKAFKA))
RUN_PREFIX += $(WITH_LIBRDKAFKA)
PROGRAMS := $(BUILD)/with-librdkafka
WRAPPERS := $(PROGRAMS)/eventrouterd $(PROGRAMS)/eventrouterctl
$(WRAPPERS): $(PROGRAMS)/%: FORCE
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec %s %s "$$@"\n' '$(WITH_LIBRDKAFKA)' $(abspath $(BUILD)/$*) > $@ && chmod +x $@
else
PROGRAMS := $(BUILD)
endif

RUN_TESTS = $(PYTHON) tests/support/run.py --logs build/test-logs/$(MODE) --prefix "$(RUN_PREFIX)"
SUITES_CHECK = unit $(UNIT) -- golden $(GOLDEN) $(foreach o,$(GOLDEN_PY),"$(PYTHON) $(o) --programs $(BUILD)") -- replay $(REPLAY) -- \
               fuzz-corpus $(foreach f,$(FUZZ),"$(f) tests/fuzz/corpus/$(notdir $(f))") -- \
               oracle $(foreach o,$(ORACLE),"$(PYTHON) $(o) --programs $(BUILD)") -- \
               schemas $(foreach o,$(SCHEMA_TESTS),"$(PYTHON) $(o) --programs $(BUILD)") -- \
               cli $(foreach o,$(CLI_TESTS),"$(PYTHON) $(o) --programs $(BUILD)") -- \
               fault-rig $(foreach o,$(FAULT_TESTS),"$(PYTHON) $(o) --programs $(BUILD)")
SUITES_MOCK = mock $(MOCK)
PYTEST = $(PYTHON) -m pytest -v -p no:cacheprovider --programs=$(PROGRAMS)
# What the second run, in the other mode, leaves out: tests that have no events in them, and those that test_exactly_once.py has in its own form.
IT := tests/integration
EXACTLY_ONCE_TESTS := $(addprefix $(IT)/test_,exactly_once.py faults.py destinations.py changes.py records.py poison.py million.py)
EXACTLY_ONCE_LESS := $(addprefix --deselect=$(IT)/test_,faults.py::test_killed_twenty_times faults.py::test_broker_goes_away_and_comes_back)
SUITES_INTEGRATION = $(if $(TESTS),integration:serial "$(PYTEST) $(if $(DELIVERY),--delivery=$(DELIVERY)) $(TESTS)",\
    integration:serial "$(PYTEST) --ignore=$(IT)/test_exactly_once.py $(IT)" -- \
    integration-exactly-once:serial "env ER_TEST_EVENTS=100000 $(PYTEST) --delivery=exactly-once $(EXACTLY_ONCE_LESS) $(EXACTLY_ONCE_TESTS)")
TESTS_C := $(UNIT) $(GOLDEN) $(REPLAY) $(MOCK) $(FUZZ)

demo: ## installs what is missing, builds, runs eventrouterd --demo (DEMO_ARGS="--demo-seconds 10")
	@tests/support/setup.sh build
	@$(AGAIN) all
	$(BUILD)/eventrouterd --demo $(DEMO_ARGS)

test: $(WRAPPERS) ## installs what is missing, builds, runs every test; last line: N passed, N failed
	@tests/support/setup.sh build test
	@$(AGAIN) all tests
	@$(RUN_TESTS) --timeout 2700 $(SUITES_CHECK) -- $(SUITES_MOCK) -- $(SUITES_INTEGRATION)

tests: $(TESTS_C)

check: ## fast tests without network: unit, golden, replay, fuzz corpus, oracle sample
	@$(AGAIN) all $(UNIT) $(GOLDEN) $(REPLAY) $(FUZZ)
	@$(RUN_TESTS) $(SUITES_CHECK)

# One run per processor, each with its own seed.
ORACLE_RUNS = $(shell seq 1 $$(nproc))
check-oracle: all ## random rules and events against the oracle, PAIRS=100000000 (SEED=n); about 40,000 pairs a second and processor
	@for i in $(ORACLE_RUNS); do $(PYTHON) tests/oracle/match_test.py --programs $(BUILD) --seed $$(($(or $(SEED),1) * 1000 + i)) \
	    --pairs $$(($(or $(PAIRS),100000000) / $(words $(ORACLE_RUNS)))) & runs="$$runs $$!"; done; \
	    failed=0; for run in $$runs; do wait $$run || failed=1; done; exit $$failed

unit: $(UNIT) ## unit tests only
	@$(RUN_TESTS) unit $(UNIT)

check-mock: $(MOCK) ## error handling against librdkafka's mock cluster
	@$(RUN_TESTS) $(SUITES_MOCK)

check-integration: all $(WRAPPERS) ## against a real Kafka node, in both modes (TESTS="tests/integration/test_x.py" for some, DELIVERY=exactly-once for that mode)
	@$(RUN_TESTS) --timeout 2700 $(SUITES_INTEGRATION)

# The fault rig: programs of their own (FAULTS=1), a real Kafka behind a proxy, docs/adr/0011.
FAULT_RIG = $(PYTHON) tests/faults/faults.py --programs build/$(MODE)-faults $(if $(SEED),--seed $(SEED)) $(FAULT_ARGS)
check-faults: ## a sample of faults against a real Kafka, and of planted bugs (SEED=n for the same again)
	@$(AGAIN) FAULTS=1 all
	@$(PYTHON) tests/support/run.py --logs build/test-logs/faults --timeout 900 faults:serial "$(FAULT_RIG) check"
prove-guard: ## late requests: RUNS=100 of each kind with router.guard on must do no harm, a fifth of that with it off must show the damage
	@$(AGAIN) FAULTS=1 all
	$(FAULT_RIG) --jobs 3 --rounds 5 --repeat $(or $(RUNS),100) prove
campaign: ## faults for SECONDS=3600 (SEED=n); adds lines to docs/campaigns.md
	@$(AGAIN) FAULTS=1 all
	$(FAULT_RIG) --seconds $(if $(findstring command,$(origin SECONDS)),$(SECONDS),3600) --record campaign

valgrind: all $(UNIT) $(REPLAY) ## unit and replay tests under valgrind
	@$(PYTHON) tests/support/run.py --logs build/test-logs/valgrind \
	    --prefix "valgrind -q --leak-check=full --error-exitcode=99 --suppressions=tests/support/valgrind.supp" unit $(UNIT) -- replay $(REPLAY)

FUZZ_SECONDS ?= 60
fuzz: ## each fuzz target for FUZZ_SECONDS (clang)
	@$(AGAIN) MODE=fuzz CC=clang fuzz-run
fuzz-run: $(FUZZ)
	@for f in $(FUZZ); do mkdir -p build/fuzz/corpus/$$(basename $$f) tests/fuzz/corpus/$$(basename $$f); echo "== $$f"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=build/fuzz/ \
	    build/fuzz/corpus/$$(basename $$f) tests/fuzz/corpus/$$(basename $$f) || exit 1; done

cov: ## line coverage of the fast tests (gcovr); rules/language has at least 95 %
	@$(AGAIN) MODE=cov check check-mock
	gcovr -r . --object-directory build/cov -f 'rules/language/' --fail-under-line 95
	gcovr -r . --object-directory build/cov -f 'rules/' -f 'router/' -f 'admin/' -s --html-details build/cov/index.html

bench: bench-match bench-worker bench-pipeline ## all measurements
bench-match: all $(BUILD)/bench/rules_change_bench $(BUILD)/bench/rules_load_bench ## the engine beside a peer, families of rules x N (BENCH_ARGS="--help"); build/bench/match.md
	$(PYTHON) tests/bench/match.py --programs $(BUILD) --out build/bench $(BENCH_ARGS)
bench-worker: $(BUILD)/bench/router_worker_bench ## what a worker costs besides the engine and Kafka
	$<
bench-churn: $(BUILD)/bench/rules_churn_bench ## 10 million rules come and go: does the process grow? (BENCH_ARGS=1000000 for fewer)
	$< $(BENCH_ARGS)
bench-gate: all ## instructions of three fixed cells against tests/bench/gate.tsv
	@$(PYTHON) tests/bench/gate.py --programs $(BUILD) $(BENCH_ARGS)
bench-pipeline: all $(BUILD)/bench/copy ## against a bare copy loop, on a real Kafka node; build/bench/pipeline.md
	$(PYTHON) tests/bench/pipeline.py --programs $(BUILD) --out build/bench $(BENCH_ARGS)
bench-isolation: all $(BUILD)/bench/copy ## what a broken destination costs the others, and its breaker's times; build/bench/isolation.md
	$(PYTHON) tests/bench/isolation.py --programs $(BUILD) --out build/bench $(BENCH_ARGS)

C_FILES := $(shell find rules router admin tests -name '*.[ch]' 2>/dev/null)
C_SOURCES := $(RULES_SRC) $(ROUTER_SRC) $(wildcard router/main.c) $(CTL_SRC) $(ADMIN_SRC)
format: ## puts all C files into shape
	clang-format -i $(C_FILES)
format-check: ## fails where make format would change something
	@clang-format --dry-run -Werror $(C_FILES)
tidy: | $(GEN) ## clang-tidy over the programs
	@printf '%s\n' $(C_SOURCES) | xargs -P $$(nproc) -n 4 sh -c 'clang-tidy --quiet "$$@" -- $(subst ','\'',$(ALL_CFLAGS)) $(PKG_CFLAGS)' -
cppcheck: | $(GEN) ## cppcheck over the programs
	@mkdir -p build/cppcheck
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppressions-list=tests/support/cppcheck.supp \
	    --cppcheck-build-dir=build/cppcheck -j $$(nproc) --error-exitcode=1 "-DHASH_ITER(h,a,b,c)=for(b=a;b;b=c)" -I. -I$(BUILD)/gen -DER_VERSION='"$(VERSION)"' $(C_SOURCES)
layers: ## who includes what
	@tests/support/layers.sh
lint: layers format-check cppcheck tidy ## layers, format, static analysis, sizes, words
	@tests/support/lint.sh
docs-check: all ## documents against options, routes, metrics, commands and errors
	@$(PYTHON) tests/support/docs_check.py --programs=$(BUILD)

MAN1 := $(wildcard admin/*.1)
MAN5 := $(wildcard router/*.5)
MAN8 := $(wildcard router/*.8)
DOC = $(PREFIX)/share/doc/eventrouter
install: all ## DESTDIR, PREFIX and SYSCONFDIR say where to
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	    $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(DOC)/docs/adr $(DESTDIR)$(DOC)/schemas/events \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(SYSCONFDIR)/eventrouter
	install -m 755 $(BUILD)/eventrouterd $(BUILD)/eventrouterctl $(DESTDIR)$(PREFIX)/bin
	$(if $(MAN1),install -m 644 $(MAN1) $(DESTDIR)$(PREFIX)/share/man/man1)
	$(if $(MAN5),install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5)
	$(if $(MAN8),install -m 644 $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8)
	install -m 644 README.md LICENSE CHANGELOG.md SECURITY.md $(DESTDIR)$(DOC)
	install -m 644 $(addprefix docs/,rules.md guarantees.md dead-letters.md runbook.md) $(DESTDIR)$(DOC)/docs
	install -m 644 $(wildcard docs/adr/*.md) $(DESTDIR)$(DOC)/docs/adr
	install -m 644 $(wildcard schemas/*.json schemas/*.yaml) $(DESTDIR)$(DOC)/schemas
	install -m 644 $(wildcard schemas/events/*) $(DESTDIR)$(DOC)/schemas/events
	sed 's|@PREFIX@|$(PREFIX)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' packaging/systemd/eventrouterd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/eventrouterd.service
	install -m 644 packaging/eventrouter.ini $(DESTDIR)$(SYSCONFDIR)/eventrouter/eventrouter.ini.sample
	test -e $(DESTDIR)$(SYSCONFDIR)/eventrouter/eventrouter.ini || \
	    install -m 640 packaging/eventrouter.ini $(DESTDIR)$(SYSCONFDIR)/eventrouter/eventrouter.ini

dist: ## build/eventrouter-$(VERSION).tar.gz from the last commit
	@mkdir -p build
	git archive --format=tar.gz --prefix=eventrouter-$(VERSION)/ -o build/eventrouter-$(VERSION).tar.gz HEAD
	@echo build/eventrouter-$(VERSION).tar.gz

clean: ## removes build/ (the Kafka jars stay in ~/.m2)
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "%-18s %s\n", $$1, $$2}'
	@echo; echo 'Variables: MODE=release|debug|asan|tsan|cov  SAN=  ALLOCATOR=mimalloc|jemalloc|libc  WERROR=1  CC=  CFLAGS=  PREFIX=  DESTDIR=  DEMO_ARGS=  TESTS=  DELIVERY=  FUZZ_SECONDS=  LIBRDKAFKA=  FAULTS=1  SEED=  RUNS=  SECONDS=  PAIRS='

.PHONY: all demo test tests check check-oracle unit check-mock check-integration check-faults prove-guard campaign valgrind fuzz fuzz-run cov bench bench-match bench-worker bench-churn bench-gate bench-pipeline bench-isolation \
        format format-check tidy cppcheck layers lint docs-check install dist clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
