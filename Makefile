# Tram. `make help` lists the targets.
#: make run          installs what is missing, builds, serves a home for trying out (try/)
#: make test         installs what is missing, runs every test; what CI runs
#: make build        builds build/tram; says which packages are missing, installs nothing
#: make demo         the road of a letter between two servers on loopback, explained
#: make install      puts program and manual under PREFIX (/usr/local) and DESTDIR, unit, completions
#: make deb          a Debian package, in build/deb
#: make unit sims seeds whole floors    parts of the tests; SAN=1 with ASan and UBSan
#: make format       puts the sources into the one form; format-check says where they differ
#: make fuzz kill attack sim scale agree peers longer campaigns (TIME, KILLS, SEEDS in the environment)
#: make bench bench-relay bench-imap   measurements beside other servers; bench-auth -core -queue -campaign -idle: of parts
#: make deps clean   installs every package that any target needs; removes build/
# B=DIR builds elsewhere; SAN=1 builds with AddressSanitizer and UBSan (in build/san).

ifdef FUZZER
B ?= build/libfuzzer
CC = clang
SAN = 1
else ifdef SAN
B ?= build/san
else
B ?= build
endif

comma = ,
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
ifeq ($(origin CC),default)
CC = gcc
endif
OPT ?= $(if $(SAN),-O1,-O2)
WARN = -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wno-format-nonliteral -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
HARD = -fstack-protector-strong -fstack-clash-protection -fPIE -fcf-protection $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS = $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined $(if $(FUZZER),-fsanitize=fuzzer-no-link))
# Line numbers are all that the sanitizers print.
CFLAGS ?= $(if $(SAN),-g1,-g)
override CFLAGS += -std=gnu17 $(OPT) $(WARN) $(HARD) $(SANFLAGS) -fno-omit-frame-pointer -fno-strict-aliasing -Isrc -MMD -MP
LDFLAGS += -pie -Wl,-z,relro,-z,now $(SANFLAGS)

# Every folder, from the ground up, and the folders that it uses itself (tools/floors compares with its includes and
# calls: no more, no less). What those stand on is linked with it: ALL_.
FOLDERS = base fence rt crypto mail wire dns fetch people kv body trace directory store spf dkim dmarc mailauth policy login guard allowance \
 reputation junk reader outgoing shape source queue relay report send deliver milter intake acme port core command smtpd imapd popd httpd api app
USES_base =
USES_fence = base
USES_rt = base
# the simulator, the other half of the linker's choice: only tests x_sim.c may include it
USES_sim = base rt
USES_crypto = base
USES_mail = base
USES_wire = base
USES_dns = base rt crypto
USES_fetch = base rt mail dns
USES_people = base rt
USES_kv = base rt
USES_body = base rt
USES_trace = base rt kv
USES_directory = base rt crypto mail dns people kv trace
USES_store = base rt crypto kv body trace directory
USES_spf = base rt mail dns
USES_dkim = base rt crypto mail dns
USES_dmarc = base rt mail dns
USES_mailauth = base rt mail dns spf dkim dmarc
USES_policy = base rt crypto wire dns fetch kv
USES_login = base rt crypto mail fetch kv directory
USES_guard = base rt kv
USES_allowance = base rt kv directory
USES_reputation = base rt dns
USES_junk = base mail kv
USES_reader = base rt mail body store
USES_outgoing = base rt crypto mail dns trace directory spf dkim dmarc mailauth
USES_shape = base mail wire
USES_source = base rt crypto kv
USES_queue = base rt mail kv body trace directory store shape source
USES_relay = base rt crypto mail wire dns policy outgoing shape queue
USES_report = base rt crypto mail wire dns fetch kv body trace directory store spf dkim dmarc mailauth policy queue
USES_send = base rt crypto mail dns fetch kv body trace directory store allowance outgoing shape source queue
USES_deliver = base rt mail dns body trace directory store dkim dmarc queue
USES_milter = base rt mail wire
USES_intake = base rt crypto mail wire dns kv body trace directory store mailauth guard allowance outgoing queue report send milter reputation junk
USES_acme = base rt crypto fetch kv
USES_port = base rt mail wire body store reader
USES_core = base rt crypto mail wire dns fetch people kv body trace directory store spf dkim mailauth policy login guard allowance outgoing source queue relay report send deliver intake acme milter reputation
USES_command = base rt crypto mail wire dns fetch kv body trace directory store spf dkim dmarc mailauth policy login guard allowance outgoing shape source queue relay report send intake acme port core
USES_smtpd = base rt mail wire dns trace store login guard intake milter
USES_imapd = base rt mail wire kv body directory store login guard reader junk
USES_popd = base rt wire store login guard reader
USES_httpd = base rt directory guard wire
USES_api = base rt crypto mail wire dns kv trace directory store guard allowance shape queue send acme core command httpd
USES_app = base fence rt crypto wire dns trace store policy guard allowance queue relay report send intake acme core command smtpd imapd popd httpd api
$(foreach f,$(FOLDERS) sim,$(eval ALL_$(f) := $(sort $(USES_$(f)) $(foreach u,$(USES_$(f)),$(ALL_$(u))))))

LIBS_base =
LIBS_fence = -lseccomp
LIBS_mail = -lunistring
LIBS_junk = -lm
LIBS_report = -lexpat -lz -ljansson
LIBS_wire = -ljansson
LIBS_rt = -lssl -lcrypto -lz -lpthread
LIBS_crypto = -lcrypto -lunistring
LIBS_dns = -lunbound -lidn2 -lunistring
LIBS_fetch = -lcurl
LIBS_people = -lldap -llber
LIBS_kv = -lrocksdb
LIBS_login = -ljansson
LIBS_httpd = -lnghttp2
LIBS_directory = -lunistring
LIBS_send = -ljansson -lm
LIBS_acme = -ljansson
LIBS_core = -lconfuse
LIBS_command = -ljansson
LIBS_api = -lexpat -ljansson

# A folder's library: its sources but tests, fuzz targets and the program's main.
# rt exists twice: librt (real_*.c) and librtsim (src/sim in its place), the rest in common.
src_of = $(filter-out %_test.c %_sim.c %_fuzz.c %/test.c %/fuzz_main.c %/main.c,$(wildcard src/$(1)/*.c))
objs = $(patsubst src/%.c,$(B)/obj/%.o,$(1))

.PHONY: all build
all: build
build: deps-check $(B)/tram

define folder_rules
$(B)/lib/lib$(1).a: $(call objs,$(call src_of,$(1)))
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))
$(B)/lib/librtsim.a: $(call objs,$(filter-out src/rt/real_%.c,$(call src_of,rt)) $(call src_of,sim))

$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

# Nothing is compiled before the packages are there, also with many jobs.
$(B)/obj/shape/data.o: $(wildcard share/*/*)
$(B)/obj/%.o: src/%.c Makefile | deps-check
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CFLAGS) -c $< -o $@

libs_for = $(foreach f,$(1),$(B)/lib/lib$(f).a)
syslibs_for = $(foreach f,$(1),$(LIBS_$(f)))
link = $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

$(B)/tram: $(B)/obj/app/main.o $(call libs_for,app $(ALL_app))
	@echo "  LD $@"
	@$(link) $(call syslibs_for,app $(ALL_app))

# ---- tests: all x_test.c of a folder are one program; x_sim.c run in the simulator ----

tests_of = $(call objs,$(wildcard src/$(1)/*_test.c))
sims_of = $(call objs,$(wildcard src/$(1)/*_sim.c))
TEST_MAIN = $(B)/obj/base/test.o
# rt's test_rt.c makes test bodies run as fibers of the real runtime.

define test_rules
$(B)/test/$(1)_test: $(call tests_of,$(1)) $(TEST_MAIN) $(call libs_for,$(1) $(ALL_$(1)))
	@mkdir -p $$(@D)
	@$$(link) $$(call syslibs_for,$(1) $(ALL_$(1)))
$(B)/test/$(1)_sim: $(call sims_of,$(1)) $(TEST_MAIN) $(subst librt.a,librtsim.a,$(call libs_for,$(filter-out sim,$(1)) $(ALL_$(1))))
	@mkdir -p $$(@D)
	@$$(link) $$(call syslibs_for,$(1) $(ALL_$(1)))
endef
$(foreach f,$(FOLDERS) sim,$(eval $(call test_rules,$(f))))
UNIT = $(foreach f,$(FOLDERS),$(if $(wildcard src/$(f)/*_test.c),$(B)/test/$(f)_test))
SIMS = $(foreach f,$(FOLDERS) sim,$(if $(wildcard src/$(f)/*_sim.c),$(B)/test/$(f)_sim))

# ---- fuzz targets: x_fuzz.c is a program of its own; its seeds lie in tests/corpus/x ----
# With FUZZER=1 (make fuzz) clang's libFuzzer drives it, else fuzz_main.c runs the seeds.

FUZZ_SRC = $(wildcard src/*/*_fuzz.c)
FUZZ_NAMES = $(patsubst %_fuzz,%,$(basename $(notdir $(FUZZ_SRC))))
fuzz_folder = $(word 2,$(subst /, ,$(filter %/$(1)_fuzz.c,$(FUZZ_SRC))))
# Session fuzzers (session_x_fuzz.c) play a whole server in the simulator; x_fuzz.c beside x_play_sim.c plays there, too.
fuzz_libs = $(call libs_for,$(call fuzz_folder,$(1)) $(ALL_$(call fuzz_folder,$(1))))
fuzz_played = $(if $(filter session_%,$(1)),src/app/world_sim.c src/app/session_sim.c,$(wildcard src/$(call fuzz_folder,$(1))/$(1)_play_sim.c))
fuzz_parts = $(if $(fuzz_played),$(call objs,$(fuzz_played)) $(subst librt.a,librtsim.a,$(fuzz_libs)),$(fuzz_libs))
define fuzz_rules
$(B)/fuzz/$(1): $(B)/obj/$(call fuzz_folder,$(1))/$(1)_fuzz.o $(if $(FUZZER),,$(B)/obj/base/fuzz_main.o) $(call fuzz_parts,$(1))
	@mkdir -p $$(@D)
	@$$(link) $(if $(FUZZER),-fsanitize=fuzzer) $$(call syslibs_for,$(call fuzz_folder,$(1)) $(ALL_$(call fuzz_folder,$(1))))
endef
$(foreach x,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(x))))

include tools/targets.mk
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
