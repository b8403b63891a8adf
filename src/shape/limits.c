/* limits.c - reading share/shaping/sites, and what binds towards a host. */
#include "limits.h"

#include <stdlib.h>

#include "base/text.h"

static const char *const words[] = {
#define X(name, word, most) word,
    SHAPE_LIMITS(X)
#undef X
};
static const unsigned mosts[] = {
#define X(name, word, most) most,
    SHAPE_LIMITS(X)
#undef X
};

const char *shape_limit_word(enum shape_limit l) { return words[l]; }

struct site {
    struct slice name, hosts;
    unsigned line;
    bool apart;
    struct shape_number v[SHAPE_NLIMITS];
};
struct shaping {
    struct arena a;
    struct slice dated;
    struct site *site; /* the first is the default */
    size_t n, cap;
};

/* ---- reading ---- */

static int wrong(unsigned line, const char *what, struct slice s)
{
    return err_set(ERR_SYNTAX, "line %u of the shaping: %s \"%.*s\"", line, what, SLF(s));
}

static struct slice take(struct slice *s)
{
    struct slice word;
    *s = sl_trim(*s);
    if (!s->n || !sl_next(s, ' ', &word)) return (struct slice){0};
    *s = sl_trim(*s);
    return word;
}

static void begin_site(struct shaping *s, struct slice name, unsigned line)
{
    if (s->n == s->cap) s->site = ar_grow(&s->a, s->site, &s->cap, sizeof *s->site);
    s->site[s->n++] = (struct site){.name = name, .line = line};
}

static int read_number(struct site *site, enum shape_limit l, struct slice rest, unsigned line)
{
    struct slice number = take(&rest);
    uint64_t n;
    if (!num_u64(number, mosts[l], &n) || !n)
        return wrong(line, "this is no number from 1 on that is allowed:", number);
    if (site->v[l].n) return wrong(line, "this stands twice:", sl_cstr(words[l]));
    if (l == SHAPE_CONNECTIONS && sl_starts(rest, SL("apart "))) {
        site->apart = true;
        take(&rest);
    }
    if (!rest.n) return wrong(line, "a source, or \"guessed\", is missing behind", number);
    site->v[l] = (struct shape_number){.n = (unsigned)n, .source = rest, .from = site->name};
    return 0;
}

static int read_line(struct shaping *s, struct slice line, unsigned n)
{
    struct slice rest = line, word = take(&rest);
    struct site *site = s->n ? &s->site[s->n - 1] : NULL;
    if (sl_eq(word, SL("dated"))) return s->dated = rest, 0;
    if (sl_eq(word, SL("default")) && !site) return begin_site(s, word, n), 0;
    if (!site) return wrong(n, "the default comes first, not", line);
    if (site->name.n && s->n > 1 && sl_eq(word, SL("host"))) return site->hosts = rest, 0;
    if (sl_eq(word, SL("site")) && rest.n) return begin_site(s, rest, n), 0;
    for (int l = 0; l < SHAPE_NLIMITS; l++)
        if (sl_eq(word, sl_cstr(words[l]))) return read_number(site, (enum shape_limit)l, rest, n);
    return wrong(n, "this is not understood:", line);
}

static int whole(const struct shaping *s)
{
    if (!s->n) return err_set(ERR_SYNTAX, "the shaping has no default");
    for (int l = 0; l < SHAPE_NLIMITS; l++)
        if (!s->site[0].v[l].n) return wrong(s->site[0].line, "the default does not say", sl_cstr(words[l]));
    for (size_t i = 1; i < s->n; i++)
        if (!s->site[i].hosts.n) return wrong(s->site[i].line, "no host is named for", s->site[i].name);
    return 0;
}

int shaping_read(struct shaping **out, struct slice text)
{
    struct shaping *s = xcalloc(1, sizeof *s);
    struct slice rest = ar_dup(&s->a, text), line;
    int e = 0;
    for (unsigned n = 1; !e && sl_next(&rest, '\n', &line); n++) {
        line = sl_trim(line);
        if (line.n && line.p[0] != '#') e = read_line(s, line, n);
    }
    if (!e) e = whole(s);
    if (e) shaping_close(&s);
    *out = s;
    return e;
}

void shaping_close(struct shaping **sp)
{
    struct shaping *s = *sp;
    if (!s) return;
    ar_free(&s->a);
    free(s);
    *sp = NULL;
}

struct slice shaping_dated(const struct shaping *s) { return s->dated; }
size_t shaping_sites(const struct shaping *s) { return s->n - 1; }

/* ---- what binds ---- */

bool shape_host_within(struct slice host, struct slice domain)
{
    if (sl_ends(host, SL("."))) host.n--;
    if (!sl_endsi(host, domain)) return false;
    return host.n == domain.n || host.p[host.n - domain.n - 1] == '.';
}

static const struct site *site_of(const struct shaping *s, struct slice host)
{
    for (size_t i = 1; i < s->n; i++) {
        struct slice rest = s->site[i].hosts, one;
        while ((one = take(&rest)).n)
            if (shape_host_within(host, one)) return &s->site[i];
    }
    return &s->site[0];
}

void shaping_limits(const struct shaping *s, struct slice host, struct shape_limits *out)
{
    const struct site *site = site_of(s, host);
    *out = (struct shape_limits){.site = site->name, .apart = site->apart};
    for (int l = 0; l < SHAPE_NLIMITS; l++) out->v[l] = site->v[l].n ? site->v[l] : s->site[0].v[l];
}

size_t shaping_check(const struct shaping *s, struct buf *out)
{
    size_t found = 0;
    for (size_t i = 1; i < s->n; i++) {
        struct slice rest = s->site[i].hosts, one;
        while ((one = take(&rest)).n) {
            const struct site *first = site_of(s, one);
            if (first == &s->site[i]) continue;
            buf_printf(out, "line %u, site %.*s: its host %.*s comes to %.*s, which stands before it\n",
                       s->site[i].line, SLF(s->site[i].name), SLF(one), SLF(first->name));
            found++;
        }
    }
    return found;
}
