/* fuzz.h - a fuzz target beside its parser: x_fuzz.c holds one FUZZ { ... } block
 * that uses `input`. Built with clang's libFuzzer as build/fuzz/<x>; the same
 * file also runs its seed corpus (tests/corpus/<x>/) in the ordinary tests. */
#pragma once
#include "log.h"
#include "slice.h"

#define FUZZ                                                                                                 \
    static void fuzz_one(struct slice input);                                                                \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                            \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                             \
    {                                                                                                        \
        fuzz_one(sl(data, size));                                                                            \
        return 0;                                                                                            \
    }                                                                                                        \
    static void fuzz_one(struct slice input)
