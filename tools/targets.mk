# The targets around the build: dependencies, tests, fuzzing, running, installing.

PYTEST = /usr/bin/python3 -m pytest -q -p no:cacheprovider
PREFIX ?= /usr/local
TIME ?= 60

.PHONY: deps deps-check test unit sims seeds whole floors sanitized run demo bench bench-auth agree peers kill fuzz sim install clean
deps:
	@tools/deps all
deps-check:
	@tools/deps build

# Everything that must hold: the house in order, each folder's tests (plain, and with
# AddressSanitizer and UBSan), servers in the simulator, seeds of the fuzz targets, whole programs.
test:
	@tools/deps build test
	@tools/test-all

floors:
	@tools/floors
unit: deps-check $(UNIT)
	@tools/run-tests $(UNIT)
sims: deps-check $(SIMS)
	@tools/run-tests $(SIMS)
seeds: deps-check $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
	@tools/run-seeds $(B)/fuzz $(FUZZ_NAMES)
whole: deps-check $(B)/tram
	@$(PYTEST) tests/whole

# ---- longer campaigns ----

kill: build
	@tools/deps test
	KILLS=$${KILLS:-200} $(PYTEST) -s tests/whole/test_kill.py
sim: deps-check $(SIMS)
	@SEEDS=$${SEEDS:-1000} tools/run-tests $(SIMS)
fuzz:
	@tools/deps fuzz
	@$(MAKE) --no-print-directory FUZZER=1 fuzz-run
.PHONY: fuzz-run
fuzz-run: $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
	@tools/run-fuzz $(B)/fuzz $(TIME) $(FUZZ_NAMES)
bench: build
	@tools/deps bench
	@/usr/bin/python3 bench/bench.py
# Checks and signatures per second on one core.
bench-auth: deps-check $(B)/bench_auth
	@taskset -c 0 $(B)/bench_auth
$(B)/bench_auth: bench/auth.c $(call libs_for,mailauth $(USES_mailauth))
	@$(CC) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call syslibs_for,mailauth $(USES_mailauth))

# ---- beside the implementations of others ----

# Generated cases judged by Tram and by Debian's SPF, DKIM, ARC and DMARC; docs/agreement.md keeps the result.
agree: deps-check
	@tools/deps peers
	+@tests/mailauth/agree
# Letters both ways between Tram and a real Postfix with opendkim.
peers: build
	@tools/deps peers
	@$(PYTEST) tests/peers

# ---- trying it out ----

run: build
	@tools/run
demo: build
	@tools/deps test
	@/usr/bin/python3 tools/demo.py

install: build
	install -D -m 755 $(B)/tram $(DESTDIR)$(PREFIX)/bin/tram
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 docs/man/tram.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/tram.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/

clean:
	rm -rf build
