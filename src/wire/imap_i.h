/* imap_i.h - between the files of wire/imap*.c. */
#pragma once
#include "imap.h"
#include "utf7.h"

bool imap_is_atom(char c);
/* The longest run of bytes for which is() holds; fails with `why` when there is none. */
struct slice imap_run(struct imap_in *in, bool (*is)(char), const char *why);

/* The parts of a SEARCH that SORT and THREAD have too: "RETURN (...) " when it comes, and the keys. */
void imap_search_return(struct imap_in *in, struct imap_search_args *s);
