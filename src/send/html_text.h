/* html_text.h - the text part of a letter that has only HTML. Pure.
 *
 * Not a browser: what people read in it, in order, with the targets of links, one line a block. Whatever the
 * bytes are, the work is linear and the result is text with LF line ends. */
#pragma once
#include "base/buf.h"

void html_text(struct buf *out, struct slice html);
