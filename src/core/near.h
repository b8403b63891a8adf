/* near.h - is a web server on this machine, so that nobody else hears what it is asked in clear? */
#pragma once
#include "base/slice.h"

/* http:// and an address of the loopback; a name, even 127.example.org, may be anywhere. */
bool url_is_near(struct slice url);
