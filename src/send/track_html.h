/* track_html.h - links of HTML replaced. Pure. */
#pragma once
#include "base/arena.h"

enum { TRACK_LINKS_MAX = 500, TRACK_URL_MAX = 1500 };

/* What stands in place of the link, in a; empty: it is left alone. url: decoded, http or https, printable
 * ASCII. */
typedef struct slice track_link(void *arg, struct arena *a, struct slice url);
/* The HTML with the href of each <a> and <area> as link() wants it, and `end` before the end of its body; in
 * a. Entities of a link are decoded once. clicktracking="off" keeps a link as it is, and is taken away.
 * Comments, scripts and styles are left alone, and so are links behind the first TRACK_LINKS_MAX, those that
 * are longer than TRACK_URL_MAX, and all that are of another kind. Whatever the bytes are, the work is
 * linear. */
struct slice track_html(struct arena *a, struct slice html, struct slice end, track_link *link, void *arg);
