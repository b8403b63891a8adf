/* test_rt.h - include it in x_test.c and the bodies of its program's TESTs run
 * as fibers of the real runtime, on two loops. (In x_sim.c it is not used.) */
#pragma once
#include "base/test.h"
#include "rt.h"

void test_rt_use(void);
__attribute__((constructor)) static void test_rt_here(void) { test_rt_use(); }
