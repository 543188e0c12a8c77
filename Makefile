# Event Router. `make demo` and `make test` install what they lack; all other targets need the packages of tests/support/setup.sh.
MODE ?= release
BUILD ?= build/$(MODE)
PREFIX ?= /usr/local
VERSION := 0.1.0
CC ?= cc
PKGS := rdkafka libpcre2-8 sqlite3 libevent inih libxxhash libcurl
TEST_PKGS := cmocka

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
endif
ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all
endif
ifneq ($(WERROR),)
WARN += -Werror
endif
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread
ALL_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. -I$(BUILD)/gen -DER_VERSION='"$(VERSION)"' $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)

RULES_SRC := $(wildcard rules/*/*.c)
ROUTER_SRC := $(filter-out router/main.c,$(wildcard router/*.c))
CTL_SRC := $(wildcard admin/ctl_*.c)
ADMIN_SRC := $(filter-out $(CTL_SRC),$(wildcard admin/*.c))
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))

all: $(BUILD)/eventrouterd $(BUILD)/eventrouterctl

$(BUILD)/librules.a: $(call objs,$(RULES_SRC))
$(BUILD)/librouter.a: $(call objs,$(ROUTER_SRC))
$(BUILD)/libadmin.a: $(call objs,$(ADMIN_SRC))
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/eventrouterd: $(call objs,router/main.c) $(BUILD)/librouter.a $(BUILD)/libadmin.a $(BUILD)/librules.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/eventrouterctl: $(call objs,$(CTL_SRC)) $(BUILD)/librules.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/<layer>_<module>_test.c; the layer says which libraries it may link.
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))
$(BUILD)/tests/rules_%: tests/unit/rules_%.c $(BUILD)/librules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(BUILD)/librules.a $(PKG_LIBS) -lcmocka
$(BUILD)/tests/router_%: tests/unit/router_%.c $(BUILD)/librouter.a $(BUILD)/librules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(BUILD)/librouter.a $(BUILD)/librules.a $(PKG_LIBS) -lcmocka
$(BUILD)/tests/admin_%: tests/unit/admin_%.c $(BUILD)/libadmin.a $(BUILD)/librules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libadmin.a $(BUILD)/librules.a $(PKG_LIBS) -lcmocka

unit: $(UNIT)
	@for t in $(UNIT); do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf build

.PHONY: all unit clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
