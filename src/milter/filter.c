/* filter.c - a filter as a line of tram.conf names it. */
#include "filter.h"

#include <stdio.h>

#include "base/text.h"

enum { RSPAMD_PORT = 11333 };

static int word_of(struct slice text, const char *words)
{
    struct slice rest = sl_cstr(words), word;
    for (int n = 0; sl_next(&rest, '|', &word); n++)
        if (sl_eq(word, text)) return n;
    return -1;
}

/* The place of Rspamd's normal worker: an address, and a port when it is another. */
static bool take_url(struct slice text, struct filter *f)
{
    char with_port[ENDPOINT_TEXT_MAX];
    if (sl_ends(text, SL("/"))) text.n--;
    f->http = true;
    if (endpoint_parse(text, &f->at)) return f->at.port != 0;
    int n = snprintf(with_port, sizeof with_port, "%.*s:%d", SLF(text), RSPAMD_PORT);
    return n < (int)sizeof with_port && endpoint_parse(sl_cstr(with_port), &f->at);
}

static int take_place(struct slice text, struct filter *f)
{
    if (sl_starts(text, SL("unix:/")) && text.n - 5 < sizeof f->at.path) {
        memcpy(f->at.path, text.p + 5, text.n - 5);
        return 0;
    }
    if (sl_starts(text, SL("inet:")) && endpoint_parse(sl_from(text, 5), &f->at)) return 0;
    if (sl_starts(text, SL("http://")) && take_url(sl_from(text, 7), f)) return 0;
    return err_set(ERR_SYNTAX,
                   "\"%.*s\" must be unix: and the path of a socket, inet: and an address and port such as "
                   "inet:127.0.0.1:11332, or of Rspamd a URL such as http://127.0.0.1:11333",
                   SLF(text));
}

static bool take_name(struct slice v, struct filter *f)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_alnum(v.p[i]) && v.p[i] != '-' && v.p[i] != '.' && v.p[i] != '_') return false;
    snprintf(f->name, sizeof f->name, "%.*s", SLF(v));
    return v.n && v.n <= FILTER_NAME_MAX;
}

static int take_option(struct slice text, struct filter *f)
{
    static const char failures[] = "tempfail|pass|refuse|hold", letters[] = "all|world|own";
    size_t at = sl_chr(text, '=');
    struct slice name = sl_sub(text, 0, at), v = at == SL_NONE ? SL("") : sl_from(text, at + 1);
    bool good = false;
    if (sl_eq(name, SL("timeout"))) {
        good = num_duration(v, &f->timeout_s) && f->timeout_s >= 1 && f->timeout_s <= FILTER_LETTER / RT_S;
    } else if (sl_eq(name, SL("failure"))) {
        int n = word_of(v, failures);
        if ((good = n >= 0)) f->failure = (enum filter_failure)n;
    } else if (sl_eq(name, SL("letters"))) {
        int n = word_of(v, letters);
        if ((good = n >= 0)) f->letters = (enum filter_letters)n;
    } else if (sl_eq(name, SL("name"))) {
        good = take_name(v, f);
    }
    if (good) return 0;
    return err_set(ERR_SYNTAX,
                   "\"%.*s\" must be timeout= up to 240s, failure=%s, letters=%s, or name= and a word",
                   SLF(text), failures, letters);
}

int filter_parse(struct slice text, struct filter *out)
{
    struct slice rest = sl_trim(text), word;
    *out = (struct filter){.timeout_s = 30};
    (void)sl_next(&rest, ' ', &word);
    int e = take_place(word, out);
    if (!e) snprintf(out->name, sizeof out->name, "%.*s", SLF(word));
    while (!e && sl_next(&rest, ' ', &word))
        if (word.n) e = take_option(word, out);
    return e;
}
