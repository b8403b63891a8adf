# The targets around the build: dependencies, tests, fuzzing, running, installing.

PYTEST = /usr/bin/python3 -m pytest -q -p no:cacheprovider
PREFIX ?= /usr/local
UNITS ?= $(PREFIX)/lib/systemd/system
TIME ?= 60

.PHONY: help deps deps-check format format-check test unit sims seeds test-programs whole floors sanitized run demo bench bench-auth bench-core bench-queue bench-relay bench-paired bench-campaign bench-imap bench-idle agree peers kill attack fuzz sim scale install deb clean
help:
	@sed -n 's/^#: //p' Makefile
deps:
	@tools/deps install all
# Says what is missing; installs nothing.
deps-check:
	@tools/deps check

# Everything that must hold: the house in order, each folder's tests (plain, and with
# AddressSanitizer and UBSan), servers in the simulator, seeds of the fuzz targets, whole programs.
test:
	@tools/deps install build test
	@tools/test-all

floors:
	@tools/floors
# What was freed is watched for so long, and what was asked for is filled so far, as finds faults at half the time of the
# defaults (256 MB and 4,096 bytes: each page is cold then).
ifdef SAN
export ASAN_OPTIONS ?= quarantine_size_mb=16:max_malloc_fill_size=128:malloc_context_size=10
endif
# .clang-format rules; clang-format 14 is the one that is obeyed.
FORMATTED = $(wildcard src/*/*.[ch] bench/*.[ch] tests/*/*.[ch])
format:
	@tools/deps install format
	@clang-format -i $(FORMATTED)
format-check:
	@tools/format-check $(FORMATTED)
# first,FOLDERS,SUFFIX,PROGRAMS: those of the folders in front, in their order.
first = $(foreach f,$(1),$(filter %/$(f)$(2),$(3))) $(filter-out $(foreach f,$(1),%/$(f)$(2)),$(3))
# The measurements are built as well: what nobody compiles does not stay true.
# What waits more than it works runs with one beside what the cores can do.
WAITING_JOBS = $(shell echo $$(($$(nproc) + 1)))
# Their clocks are real, but none expects the machine for itself; who takes longest first.
UNIT_LONGEST_FIRST = $(call first,people queue smtpd imapd dns relay dkim send,_test,$(UNIT))
unit: deps-check $(UNIT) $(addprefix $(B)/bench_,auth core queue)
	@TEST_JOBS=$(WAITING_JOBS) tools/run-tests $(UNIT_LONGEST_FIRST)
# Their clocks are virtual, so they may run side by side.
SIMS_LONGEST_FIRST = $(call first,queue app core store send report,_sim,$(SIMS))
sims: deps-check $(SIMS)
	@TEST_JOBS=$(shell nproc) tools/run-tests $(SIMS_LONGEST_FIRST)
# All programs of tests, run by nobody: what is compiled beforehand is not waited for.
test-programs: deps-check $(UNIT) $(SIMS) $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
seeds: deps-check $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
	@TEST_JOBS=$(shell nproc) tools/run-seeds $(B)/fuzz $(FUZZ_NAMES)
# So many files of tests at a time; each test host has an address of its own.
whole: deps-check $(B)/tram
	@tools/deps install test
	@tools/run-whole $(WAITING_JOBS) tests/whole

# ---- longer campaigns ----

kill: build
	@tools/deps install test
	KILLS=$${KILLS:-200} $(PYTEST) -s tests/whole/test_kill.py
attack: build
	@tools/deps install test
	@$(PYTEST) -s tests/attack
sim: deps-check $(SIMS)
	@SEEDS=$${SEEDS:-1000} TEST_JOBS=$(shell nproc) tools/run-tests $(SIMS_LONGEST_FIRST)
# A million letters to 10,000 domains on 300 sites, of which eleven in twelve behave badly, over five virtual days, from
# several seeds; LETTERS, SEED, SEEDS in the environment.
scale: deps-check $(B)/test/queue_sim
	@LETTERS=$${LETTERS:-1000000} SEEDS=$${SEEDS:-3} $(B)/test/queue_sim many_domains_on_many_sites
fuzz:
	@tools/deps install fuzz
	@$(MAKE) --no-print-directory FUZZER=1 fuzz-run
.PHONY: fuzz-run
fuzz-run: $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
	@tools/run-fuzz $(B)/fuzz $(TIME) $(FUZZ_NAMES)
bench: build
	@tools/deps install bench
	@/usr/bin/python3 bench/bench.py
# Letters handed on, beside Postfix; LETTERS, ROUNDS in the environment.
bench-relay: build
	@tools/deps install bench
	@/usr/bin/python3 bench/relay.py
# This build beside another, receiving, in pairs; BASE=path of its tram, PAIRS, LETTERS in the environment.
bench-paired: build
	@tools/deps install bench
	@/usr/bin/python3 bench/paired.py
# A campaign taken and delivered; RECIPIENTS and SECONDS in the environment.
bench-campaign: build
	@/usr/bin/python3 bench/campaign.py
# IMAP beside Dovecot; LETTERS=1000,30000 in the environment.
bench-imap: build
	@tools/deps install bench
	@/usr/bin/python3 bench/imap.py
# Checks and signatures per second on one core.
bench-idle: build
	@/usr/bin/python3 bench/idle.py

bench-auth: deps-check $(B)/bench_auth
	@taskset -c 0 $(B)/bench_auth
$(B)/bench_auth: bench/auth.c $(call libs_for,mailauth $(ALL_mailauth))
	@$(CC) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call syslibs_for,mailauth $(ALL_mailauth))

# What one user's large work costs the others; MESSAGES and ACCOUNTS in the environment. On a store of its own.
bench-core: deps-check $(B)/bench_core
	@dir=$$(mktemp -d) && $(B)/bench_core $$dir; rc=$$?; rm -rf $$dir; exit $$rc
$(B)/bench_core: bench/core.c $(call libs_for,store $(ALL_store))
	@$(CC) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call syslibs_for,store $(ALL_store))

# A server with very many letters that wait; LETTERS in the environment (1,000,000).
bench-queue: build $(B)/bench_queue
	@/usr/bin/python3 bench/waiting.py
$(B)/bench_queue: bench/queue.c $(call libs_for,queue $(ALL_queue))
	@$(CC) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call syslibs_for,queue $(ALL_queue))

# ---- beside the implementations of others ----

# Generated cases judged by Tram and by Debian's SPF, DKIM, ARC and DMARC; docs/agreement.md keeps the result.
agree: deps-check
	@tools/deps install peers
	+@tests/mailauth/agree
# Letters both ways between Tram and a real Postfix with opendkim.
peers: build
	@tools/deps install peers deb
	@$(PYTEST) tests/peers
	@$(PYTEST) tests/world

# ---- trying it out ----

run:
	@tools/deps install build
	@$(MAKE) --no-print-directory build
	@tools/run
demo: build
	@tools/deps install test
	@/usr/bin/python3 tools/demo.py

# As root of a machine, or into DESTDIR as anybody.
install: build
	install -D -m 755 $(B)/tram $(DESTDIR)$(PREFIX)/bin/tram
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib
	ln -sf ../bin/tram $(DESTDIR)$(PREFIX)/sbin/sendmail
	ln -sf ../bin/tram $(DESTDIR)$(PREFIX)/lib/sendmail
	ln -sf tram $(DESTDIR)$(PREFIX)/bin/mailq
	ln -sf tram $(DESTDIR)$(PREFIX)/bin/newaliases
	install -D -m 644 docs/man/tram.1 $(DESTDIR)$(PREFIX)/share/man/man1/tram.1
	install -D -m 644 docs/man/tram.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/tram.conf.5
	install -d $(DESTDIR)$(PREFIX)/share/man/man8
	ln -sf tram.1 $(DESTDIR)$(PREFIX)/share/man/man1/mailq.1
	ln -sf tram.1 $(DESTDIR)$(PREFIX)/share/man/man1/newaliases.1
	ln -sf ../man1/tram.1 $(DESTDIR)$(PREFIX)/share/man/man8/sendmail.8
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
	$(B)/tram completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tram
	$(B)/tram completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_tram
	install -d $(DESTDIR)$(UNITS) $(DESTDIR)$(PREFIX)/lib/sysusers.d
	sed 's|@BIN@|$(PREFIX)/bin|' share/systemd/tram.service >$(DESTDIR)$(UNITS)/tram.service
	install -m 644 share/systemd/tram.socket $(DESTDIR)$(UNITS)/tram.socket
	install -m 644 share/systemd/tram.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/tram.conf
	install -D -m 644 share/logrotate $(DESTDIR)/etc/logrotate.d/tram
# A Debian package of this tree, in build/deb.
deb:
	@tools/deps install build deb
	@tools/deb
clean:
	rm -rf build
