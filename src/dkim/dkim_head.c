/* dkim_head.c - which header fields a signature covers, in canonical form (RFC 6376 section
 * 3.4.1, 3.4.2, 3.7, 5.4.2, 8.15). */
#include "base/text.h"
#include "dkim_i.h"

/* ---- canonical form ---- */

/* Bytes as they are; a bare LF counts as a line end in a parsed header, so it becomes one. */
static void put_simple(struct buf *out, struct slice s)
{
    while (s.n) {
        size_t lf = sl_chr(s, '\n');
        if (lf == SL_NONE || (lf > 0 && s.p[lf - 1] == '\r')) {
            size_t n = lf == SL_NONE ? s.n : lf + 1;
            buf_put(out, sl_sub(s, 0, n));
            s = sl_from(s, n);
            continue;
        }
        buf_put(out, sl_sub(s, 0, lf));
        buf_str(out, "\r\n");
        s = sl_from(s, lf + 1);
    }
}

static struct slice without_line_end(struct slice s)
{
    if (s.n && s.p[s.n - 1] == '\n') s.n--;
    if (s.n && s.p[s.n - 1] == '\r') s.n--;
    return s;
}

static bool is_wsp(char c) { return c == ' ' || c == '\t'; }

/* Unfolds, makes each run of blanks one space, drops those at the start. *pending: a run
 * that waits for what follows it, so that none is left at the end. */
static void put_relaxed(struct buf *out, struct slice s, bool *begun, bool *pending)
{
    for (size_t i = 0; i < s.n;) {
        if (is_wsp(s.p[i])) {
            *pending = true, i++;
            continue;
        }
        if (s.p[i] == '\n' || (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')) {
            i++;
            continue;
        }
        size_t from = i++;
        while (i < s.n && !is_wsp(s.p[i]) && s.p[i] != '\r' && s.p[i] != '\n') i++;
        if (*pending && *begun) buf_char(out, ' ');
        *pending = false, *begun = true;
        buf_put(out, sl_sub(s, from, i));
    }
}

/* The parts of s before and after `hole`, which lies inside of it or is empty. */
static void split(struct slice s, struct slice hole, struct slice *before, struct slice *after)
{
    *before = s, *after = SL("");
    if (!hole.p || hole.p < s.p || hole.p > s.p + s.n) return;
    size_t at = (size_t)(hole.p - s.p);
    *before = sl_sub(s, 0, at);
    *after = sl_from(s, at + hole.n);
}

void dkim_canon_field(struct buf *out, enum dkim_canon c, const struct mail_field *f, struct slice without,
                      bool crlf)
{
    struct slice before, after;
    if (c == DKIM_SIMPLE) {
        split(without_line_end(f->raw), without, &before, &after);
        put_simple(out, before);
        put_simple(out, after);
    } else {
        bool begun = false, pending = false;
        for (size_t i = 0; i < f->name.n; i++) buf_char(out, sl_lower(f->name.p[i]));
        buf_char(out, ':');
        split(f->body, without, &before, &after);
        put_relaxed(out, before, &begun, &pending);
        put_relaxed(out, after, &begun, &pending);
    }
    if (crlf) buf_str(out, "\r\n");
}

/* ---- picking ---- */

void dkim_names_init(struct arena *a, const struct mail_head *head, struct dkim_names *out)
{
    out->head = head;
    out->hash = ar_array(a, uint64_t, head->n);
    out->used = ar_array(a, uint8_t, head->n);
    for (size_t i = 0; i < head->n; i++)
        if (!head->field[i].bad) out->hash[i] = sl_hashi(head->field[i].name);
}

void dkim_names_reset(struct dkim_names *n, const struct mail_field *own)
{
    if (n->head->n) memset(n->used, 0, n->head->n);
    if (own) n->used[own - n->head->field] = 1;
}

const struct mail_field *dkim_names_pick(struct dkim_names *n, struct slice name)
{
    uint64_t hash = sl_hashi(name);
    for (size_t i = n->head->n; i-- > 0;) {
        const struct mail_field *f = &n->head->field[i];
        if (n->hash[i] != hash || n->used[i] || f->bad || !sl_eqi(f->name, name)) continue;
        n->used[i] = 1;
        return f;
    }
    return NULL;
}

void dkim_head_data(struct buf *out, struct dkim_names *n, const struct dkim_sig *s)
{
    dkim_names_reset(n, s->field);
    for (size_t i = 0; i < s->nnames; i++) {
        const struct mail_field *f = dkim_names_pick(n, s->name[i]);
        if (f) dkim_canon_field(out, s->head_canon, f, SL(""), true);
    }
    dkim_canon_field(out, s->head_canon, s->field, s->b_span, false);
}

/* RFC 5322 section 3.6 allows one of each, and a reader shows or obeys the first (or the last):
 * who adds one to a signed letter changes what is seen and keeps the signature. */
static const struct slice singles[] = {
    SL_INIT("from"),
    SL_INIT("sender"),
    SL_INIT("reply-to"),
    SL_INIT("to"),
    SL_INIT("cc"),
    SL_INIT("subject"),
    SL_INIT("date"),
    SL_INIT("message-id"),
    SL_INIT("mime-version"),
    SL_INIT("content-type"),
    SL_INIT("content-transfer-encoding"),
};

static bool is_signed(const struct dkim_sig *s, struct slice name)
{
    for (size_t i = 0; i < s->nnames; i++)
        if (sl_eqi(s->name[i], name)) return true;
    return false;
}

/* Does a signed field of that name say the same? Then one more changes nothing of what is seen. */
static bool repeats_signed(const struct dkim_names *n, const struct mail_field *f)
{
    for (size_t i = 0; i < n->head->n; i++)
        if (n->used[i] && sl_eqi(n->head->field[i].name, f->name) &&
            sl_eq(sl_trim(n->head->field[i].body), sl_trim(f->body)))
            return true;
    return false;
}

struct slice dkim_unsigned_extra(const struct dkim_names *n, const struct dkim_sig *s)
{
    for (size_t i = 0; i < n->head->n; i++) {
        const struct mail_field *f = &n->head->field[i];
        if (n->used[i] || f->bad) continue;
        for (size_t k = 0; k < COUNT_OF(singles); k++)
            if (sl_eqi(f->name, singles[k]) && is_signed(s, f->name) && !repeats_signed(n, f)) return f->name;
    }
    return SL("");
}
