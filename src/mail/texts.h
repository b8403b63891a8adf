/* texts.h - what a reader would see of a message: its text parts one after the other, decoded, for those who
 * judge by words. Pure. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

/* In UTF-8, HTML with its tags, at most max bytes, in a. message: header section and the start of its body; a
 * part that goes on behind it is cut. */
struct slice mail_texts(struct arena *a, struct slice message, size_t max);
