/* go_on.h - one command of this program follows another one. */
#pragma once
#include "base/err.h"

/* This program anew in place of this process, with `-C` the working directory, a command and its argument:
 * so it begins as every command does, before there are threads. Returns only with an error. */
MUST_CHECK int go_on_as(const char *command, const char *word);
