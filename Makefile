# Tram. `make help` lists the targets.
#: make run          installs what is missing, builds, serves a home for trying out (try/)
#: make test         installs what is missing, runs every test; what CI runs
#: make build        builds build/tram; says which packages are missing, installs nothing
#: make demo         the road of a letter between two servers on loopback, explained
#: make install      puts program and manual under PREFIX (/usr/local) and DESTDIR
#: make unit sims seeds whole floors    parts of the tests; SAN=1 with ASan and UBSan
#: make format       puts the sources into the one form; format-check says where they differ
#: make fuzz kill attack sim agree peers       longer campaigns (TIME, KILLS, SEEDS in the environment)
#: make bench bench-auth                measurements beside other servers
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
CFLAGS ?= -g
override CFLAGS += -std=gnu17 $(OPT) $(WARN) $(HARD) $(SANFLAGS) -fno-omit-frame-pointer -fno-strict-aliasing -Isrc -MMD -MP
LDFLAGS += -pie -Wl,-z,relro,-z,now $(SANFLAGS)

# Every folder and the folders below it that it may use (tools/floors checks the includes).
FOLDERS = base rt crypto mail wire dns kv body trace directory store spf dkim dmarc mailauth login guard \
 reader outgoing shape queue relay report deliver intake core command smtpd imapd popd app
USES_base =
USES_rt = base
# the simulator, the other half of the linker's choice: only tests x_sim.c may include it
USES_sim = rt base
USES_crypto = base
USES_mail = base
USES_wire = base
USES_dns = rt base
USES_kv = rt base
USES_body = rt base
USES_trace = kv rt base
USES_directory = trace mail dns kv crypto rt base
USES_store = directory trace mail dns body kv crypto rt base
USES_spf = dns mail rt base
USES_dkim = dns crypto mail rt base
USES_dmarc = dns mail rt base
USES_mailauth = spf dkim dmarc dns crypto mail rt base
USES_login = directory $(USES_directory)
USES_guard = kv rt base
USES_reader = store $(USES_store)
USES_outgoing = directory trace mailauth $(USES_mailauth) kv
USES_shape = mail wire base
USES_queue = shape wire store $(USES_store)
USES_relay = queue outgoing wire $(USES_queue) $(USES_outgoing)
USES_report = queue mailauth spf dkim dmarc $(USES_queue)
USES_deliver = queue $(USES_queue)
USES_intake = report outgoing guard $(USES_report)
USES_core = intake deliver login $(USES_intake)
USES_command = core wire $(USES_core)
USES_smtpd = command $(USES_command)
USES_imapd = reader command $(USES_command)
USES_popd = command $(USES_command)
USES_app = smtpd imapd popd reader relay command $(USES_command)

LIBS_base =
LIBS_mail = -lunistring
LIBS_report = -lexpat -lz
LIBS_rt = -lssl -lcrypto -lpthread
LIBS_crypto = -lcrypto -lunistring
LIBS_dns = -lunbound -lidn2 -lunistring
LIBS_kv = -lrocksdb
LIBS_directory = -lunistring
LIBS_core = -lconfuse
LIBS_command = -ljansson

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

$(B)/tram: $(B)/obj/app/main.o $(call libs_for,app $(USES_app))
	@echo "  LD $@"
	@$(link) $(call syslibs_for,app $(USES_app))

# ---- tests: all x_test.c of a folder are one program; x_sim.c run in the simulator ----

tests_of = $(call objs,$(wildcard src/$(1)/*_test.c))
sims_of = $(call objs,$(wildcard src/$(1)/*_sim.c))
TEST_MAIN = $(B)/obj/base/test.o
# rt's test_rt.c makes test bodies run as fibers of the real runtime.

define test_rules
$(B)/test/$(1)_test: $(call tests_of,$(1)) $(TEST_MAIN) $(call libs_for,$(1) $(USES_$(1)))
	@mkdir -p $$(@D)
	@$$(link) $$(call syslibs_for,$(1) $(USES_$(1)))
$(B)/test/$(1)_sim: $(call sims_of,$(1)) $(TEST_MAIN) $(subst librt.a,librtsim.a,$(call libs_for,$(filter-out sim,$(1)) $(USES_$(1))))
	@mkdir -p $$(@D)
	@$$(link) $$(call syslibs_for,$(1) $(USES_$(1)))
endef
$(foreach f,$(FOLDERS) sim,$(eval $(call test_rules,$(f))))
UNIT = $(foreach f,$(FOLDERS),$(if $(wildcard src/$(f)/*_test.c),$(B)/test/$(f)_test))
SIMS = $(foreach f,$(FOLDERS) sim,$(if $(wildcard src/$(f)/*_sim.c),$(B)/test/$(f)_sim))

# ---- fuzz targets: x_fuzz.c is a program of its own; its seeds lie in tests/corpus/x ----
# With FUZZER=1 (make fuzz) clang's libFuzzer drives it, else fuzz_main.c runs the seeds.

FUZZ_SRC = $(wildcard src/*/*_fuzz.c)
FUZZ_NAMES = $(patsubst %_fuzz,%,$(basename $(notdir $(FUZZ_SRC))))
fuzz_folder = $(word 2,$(subst /, ,$(filter %/$(1)_fuzz.c,$(FUZZ_SRC))))
define fuzz_rules
$(B)/fuzz/$(1): $(B)/obj/$(call fuzz_folder,$(1))/$(1)_fuzz.o $(if $(FUZZER),,$(B)/obj/base/fuzz_main.o) $(call libs_for,$(call fuzz_folder,$(1)) $(USES_$(call fuzz_folder,$(1))))
	@mkdir -p $$(@D)
	@$$(link) $(if $(FUZZER),-fsanitize=fuzzer) $$(call syslibs_for,$(call fuzz_folder,$(1)) $(USES_$(call fuzz_folder,$(1))))
endef
$(foreach x,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(x))))

include tools/targets.mk
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
