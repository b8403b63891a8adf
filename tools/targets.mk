# The targets around the build: dependencies, tests, fuzzing, running, installing.

.PHONY: deps deps-check unit sims test run demo bench fuzz sim install clean
deps:
	@tools/deps all
deps-check:
	@tools/deps build

unit: deps-check $(UNIT)
	@tools/run-tests $(UNIT)
sims: deps-check $(SIMS)
	@tools/run-tests $(SIMS)

clean:
	rm -rf build
