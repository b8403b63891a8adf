/* dmarc_from.c - the author domains of a message (RFC 9989 section 5.3.1, 11.5). Pure.
 *
 * A message may be shown by a reader that takes the From field differently than we do.
 * So a field that is not cleanly one list of addresses is not interpreted but searched:
 * everything that stands behind an @ counts as an author, and each has to pass. */
#include "base/text.h"
#include "dmarc.h"
#include "mail/addr.h"
#include "mail/encoded.h"
#include "mail/head.h"

/* Adds a domain once. False when there are too many. */
static bool add(struct dmarc_authors *out, struct slice domain)
{
    for (size_t i = 0; i < out->n; i++)
        if (sl_eqi(out->domain[i], domain)) return true;
    if (out->n > DMARC_AUTHORS_MAX) return false;
    out->domain[out->n++] = domain;
    return out->n <= DMARC_AUTHORS_MAX;
}

/* A-labels of what was written; false when it can be no domain. */
static bool to_domain(struct arena *a, struct slice written, struct slice *out)
{
    if (!written.n || written.n > 1000) return false;
    for (size_t i = 0; i < written.n; i++)
        if ((unsigned char)written.p[i] <= ' ' || strchr("\\\"()[]<>,;:@=?\x7f", written.p[i])) return false;
    if (dns_to_ascii(a, written, out) != 0) return false;
    if (out->n && out->p[out->n - 1] == '.') out->n--;
    return dns_name_ok(*out) && sl_chr(*out, '.') != SL_NONE;
}

static bool ends_domain(char c) { return (unsigned char)c <= ' ' || strchr("\\\"()<>[],;:@\x7f", c); }

/* Where a comment or quoted string that begins at i ends; SL_NONE when it does not. */
static size_t skip_hidden(struct slice s, size_t i)
{
    int depth = 0;
    bool quoted = s.p[i] == '"';
    for (size_t k = i; k < s.n; k++) {
        if (s.p[k] == '\\') k++;
        else if (quoted && k > i && s.p[k] == '"') return k;
        else if (!quoted && s.p[k] == '(') depth++;
        else if (!quoted && s.p[k] == ')' && --depth == 0) return k;
    }
    return SL_NONE;
}

/* Every domain-like run behind an @; everywhere, or only outside of comments and quoted
 * strings. False when one of those does not end: then nothing about the field is sure. */
static bool search(struct arena *a, struct slice body, bool everywhere, struct dmarc_authors *out)
{
    for (size_t i = 0; i < body.n; i++) {
        char c = body.p[i];
        if (!everywhere && (c == '(' || c == '"')) {
            i = skip_hidden(body, i);
            if (i == SL_NONE) return false;
        }
        if (c != '@') continue;
        size_t end = i + 1;
        while (end < body.n && !ends_domain(body.p[end])) end++;
        struct slice domain;
        if (to_domain(a, sl_sub(body, i + 1, end), &domain) && !add(out, domain)) return true;
    }
    return true;
}

/* Is the list exactly what it seems? Control characters and routes hide things. */
static bool is_clean(struct slice body, const struct mail_addrs *list)
{
    for (size_t i = 0; i < body.n; i++) {
        unsigned char c = (unsigned char)body.p[i];
        if (c == 0x7f || (c < ' ' && c != '\t' && c != '\r' && c != '\n')) return false;
    }
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].route.n) return false;
    return !list->bad;
}

static void set_bad(struct arena *a, struct dmarc_authors *out, struct slice domain)
{
    out->state = DMARC_FROM_BAD;
    out->bad = printable(a, domain, 100);
}

static void from_list(struct arena *a, const struct mail_addrs *list, struct dmarc_authors *out)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slice domain;
        if (!list->v[i].domain.n) continue;
        if (!to_domain(a, list->v[i].domain, &domain)) {
            set_bad(a, out, list->v[i].domain);
            return;
        }
        if (!add(out, domain)) return;
    }
}

static bool has(const struct dmarc_authors *all, struct slice domain)
{
    for (size_t i = 0; i < all->n; i++)
        if (sl_eqi(all->domain[i], domain)) return true;
    return false;
}

/* Some readers decode encoded-words before they look for addresses (RFC 2047 section 6.2 forbids it). When
 * they would then see an author that does not stand there, nobody can tell who the author is. A display name
 * that merely looks like an address makes no author. */
static void look_behind_words(struct arena *a, struct slice body, bool clean, struct dmarc_authors *out)
{
    struct mail_addrs list = {0};
    struct dmarc_authors shown = {0};
    struct slice text = mail_unfold(a, body);
    struct slice decoded = mail_words_decode(a, text);
    if (sl_eq(text, decoded)) return;
    bool in_address = false; /* section 5 (3): never within an addr-spec */
    if (clean && mail_addrs_parse(a, body, &list) == 0)
        for (size_t i = 0; i < list.n; i++) in_address |= sl_find(list.v[i].local, SL("=?")) != SL_NONE;
    list = (struct mail_addrs){0};
    bool plain = clean && !in_address && mail_addrs_parse(a, decoded, &list) == 0 && is_clean(decoded, &list);
    if (plain) from_list(a, &list, &shown);
    else search(a, decoded, true, &shown);
    for (size_t i = 0; i < shown.n && out->state != DMARC_FROM_HIDDEN; i++)
        if (!has(out, shown.domain[i])) {
            out->state = DMARC_FROM_HIDDEN;
            out->bad = printable(a, shown.domain[i], 100);
        }
    if (shown.state == DMARC_FROM_BAD && out->state != DMARC_FROM_HIDDEN) set_bad(a, out, shown.bad);
}

int dmarc_authors(struct arena *a, const struct mail_head *head, struct dmarc_authors *out)
{
    *out = (struct dmarc_authors){.state = DMARC_FROM_ONE};
    size_t fields = 0;
    struct slice body = {0};
    for (size_t i = 0; i < head->n; i++)
        if (sl_eqi(sl_trim(head->field[i].name), SL("From")) && fields++ == 0) body = head->field[i].body;
    if (fields != 1) {
        out->state = fields ? DMARC_FROM_REPEATED : DMARC_FROM_MISSING;
        return 0;
    }
    struct mail_addrs list = {0};
    int e = mail_addrs_parse(a, body, &list);
    bool clean = e == 0 && is_clean(body, &list);
    if (clean) from_list(a, &list, out);
    /* A display name may hold an unquoted address: some readers show that one. */
    if (!clean || !search(a, body, false, out)) search(a, body, true, out);
    if (out->state == DMARC_FROM_ONE) look_behind_words(a, body, clean, out);
    if (out->state != DMARC_FROM_ONE) return 0;
    if (out->n > DMARC_AUTHORS_MAX || e == ERR_LIMIT) out->state = DMARC_FROM_TOO_MANY;
    else if (out->n > 1) out->state = DMARC_FROM_SEVERAL;
    else if (out->n == 0) out->state = DMARC_FROM_NO_DOMAIN;
    return 0;
}
