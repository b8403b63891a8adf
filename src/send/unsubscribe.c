/* unsubscribe.c - links and addresses by which somebody leaves (unsubscribe.h). */
#include "unsubscribe.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "event.h"
#include "hosts.h"
#include "mail/addr.h"
#include "send_i.h"
#include "suppression.h"

enum {
    MARK = 16,
    REF_DAYS = 500
}; /* hex digits of a signature; a send may be due a year after it was taken */

/* What only this node can say of the text, for this use of it. */
static void mark_of(struct sends *s, struct arena *a, const char *use, struct slice text, char out[MARK + 1])
{
    uint8_t sum[32];
    struct buf hex = BUF_INIT;
    struct slice all = ar_cat(a, ar_printf(a, "%s ", use), text); /* a NUL in it is a byte of it */
    hmac_sha256(sl((const char *)s->secret, sizeof s->secret), all, sum);
    hex_encode(&hex, sl((const char *)sum, MARK / 2));
    memcpy(out, hex.p, MARK);
    out[MARK] = 0;
    buf_free(&hex);
}

/* ---- a letter of a send ---- */

struct slice send_ref_text(struct sends *s, struct arena *a, const struct send_ref *r)
{
    char mark[MARK + 1];
    struct slice text = ar_printf(a, "%c-%s-%llx-%llx", r->kind, r->send.s, (unsigned long long)r->page,
                                  (unsigned long long)(r->number - r->page));
    mark_of(s, a, "letter", text, mark);
    return ar_printf(a, "%.*s-%s", SLF(text), mark);
}

struct slice send_message_id(struct sends *s, struct arena *a, const struct send_ref *r, struct slice domain)
{
    struct send_ref own = *r;
    own.kind = 'm';
    return ar_printf(a, "<%.*s@%.*s>", SLF(send_ref_text(s, a, &own)), SLF(domain));
}

bool send_ref_parse(struct sends *s, struct slice text, struct send_ref *out)
{
    struct arena a = {0};
    char mark[MARK + 1];
    struct slice all = ar_lower(&a, text), rest = all, kind, id, page, offset;
    uint64_t by = 0;
    *out = (struct send_ref){0};
    size_t end = sl_rchr(all, '-');
    bool good = text.n <= SEND_REF_MAX && end != SL_NONE && sl_next(&rest, '-', &kind) && kind.n == 1 &&
                sl_next(&rest, '-', &id) && letter_id_ok(id) && sl_next(&rest, '-', &page) &&
                sl_next(&rest, '-', &offset) && num_hex64(page, &out->page) && num_hex64(offset, &by);
    if (good) mark_of(s, &a, "letter", sl_sub(all, 0, end), mark);
    good = good && same_secret(sl_cstr(mark), rest);
    if (good) {
        out->kind = kind.p[0];
        memcpy(out->send.s, id.p, LETTER_ID_LEN);
        out->number = out->page + by;
        good = letter_id_time(&out->send) > rt_wall_seconds() - (int64_t)REF_DAYS * 86400;
    }
    ar_free(&a);
    return good;
}

/* ---- links ---- */

struct slice text_seal(struct sends *s, struct arena *a, const char *use, struct slice text)
{
    char mark[MARK + 1];
    mark_of(s, a, use, text, mark);
    return b64url_encode_ar(a, ar_printf(a, "%s %.*s", mark, SLF(text)));
}

bool text_unseal(struct sends *s, struct arena *a, const char *use, struct slice token, struct slice *text)
{
    struct slice mark;
    char right[MARK + 1];
    if (b64url_decode_ar(a, token, text) || !sl_next(text, ' ', &mark) || !text->p) return false;
    mark_of(s, a, use, *text, right);
    return same_secret(mark, sl_cstr(right));
}

/* The last part of the link. In a. */
static struct slice unsubscribe_token(struct sends *s, struct arena *a, const struct unsubscribe *u)
{
    bool known = u->letter.kind != 0;
    struct slice text =
        ar_printf(a, "%.*s %u %s %llu %llu %.*s", SLF(u->account), u->group, known ? u->letter.send.s : "-",
                  (unsigned long long)u->letter.page, (unsigned long long)u->letter.number, SLF(u->address));
    return text_seal(s, a, "unsubscribe", text);
}

bool unsubscribe_parse(struct sends *s, struct arena *a, struct slice token, struct unsubscribe *out)
{
    struct slice text, group, send, page, number;
    uint64_t n = 0;
    *out = (struct unsubscribe){0};
    if (token.n > 2000 || !text_unseal(s, a, "unsubscribe", token, &text)) return false;
    if (!sl_next(&text, ' ', &out->account) || !sl_next(&text, ' ', &group) || !sl_next(&text, ' ', &send) ||
        !sl_next(&text, ' ', &page) || !sl_next(&text, ' ', &number) || !num_u64(group, UINT32_MAX, &n))
        return false;
    out->group = (uint32_t)n;
    out->address = text;
    if (letter_id_ok(send) && num_u64(page, UINT64_MAX, &out->letter.page) &&
        num_u64(number, UINT64_MAX, &out->letter.number)) {
        out->letter.kind = 'u';
        memcpy(out->letter.send.s, send.p, LETTER_ID_LEN);
    }
    return true;
}

/* ---- leaving ---- */

static enum send_reason reason_of(const struct unsubscribe *u)
{
    return u->group ? SEND_OUT_LEFT_GROUP : SEND_OUT_UNSUBSCRIBED;
}

/* all: who left all has left its group as well. */
static int has_left(struct sends *s, const struct unsubscribe *u, bool all, bool *has)
{
    struct arena a = {0};
    struct suppression_entry *v;
    size_t n = 0;
    *has = false;
    int e = suppression_get(s, u->account, u->address, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        *has |= (all && v[i].reason == SEND_OUT_UNSUBSCRIBED) ||
                (v[i].reason == reason_of(u) && v[i].group == u->group);
    ar_free(&a);
    return e;
}

int unsubscribe_is_done(struct sends *s, const struct unsubscribe *u, bool *done)
{
    return has_left(s, u, true, done);
}

int unsubscribe_do(struct sends *s, const struct unsubscribe *u)
{
    struct suppression_entry entry = {.address = u->address,
                                      .reason = reason_of(u),
                                      .group = u->group,
                                      .evidence = SL("left by the link or address in a letter")};
    struct event ev = {.kind = EVENT_UNSUBSCRIBED, .address = u->address, .group = u->group, .first = true};
    struct letter_id letter = {{0}};
    bool fresh, done;
    int e = has_left(s, u, false, &done);
    if (e || done) return e; /* whoever presses again and again costs a look */
    if (u->letter.kind) {
        send_letter_id(&u->letter.send, u->letter.number, &letter);
        ev.send = u->letter.send, ev.page = u->letter.page, ev.number = u->letter.number;
    }
    entry.letter = sl_cstr(letter.s);
    e = suppression_add_told(s, u->account, &entry, &ev, &fresh);
    if (e == ERR_LIMIT) { /* so many groups: then all */
        entry.reason = SEND_OUT_UNSUBSCRIBED;
        entry.group = ev.group = 0;
        e = suppression_add_told(s, u->account, &entry, &ev, &fresh);
    }
    int uncounted = !e && fresh ? event_count_late(s, &ev) : 0; /* who leaves has left */
    if (uncounted) log_warn("send", "who left is not counted for its send: %s", err_text(uncounted));
    return e;
}

int unsubscribe_undo(struct sends *s, const struct unsubscribe *u)
{
    struct suppression_entry entry = {.address = u->address, .reason = reason_of(u), .group = u->group};
    struct event ev = {.kind = EVENT_RESUBSCRIBED, .address = u->address, .group = u->group};
    if (u->letter.kind) ev.send = u->letter.send, ev.page = u->letter.page, ev.number = u->letter.number;
    return suppression_remove_told(s, u->account, &entry, &ev);
}

/* ---- the fields ---- */

/* ---- in a letter ---- */

static struct slice link_of(struct sends *s, struct arena *a, const struct unsubscribe *u,
                            const struct send_hosts *at)
{
    return ar_printf(a, "https://%.*s/u/%.*s", SLF(at->site), SLF(unsubscribe_token(s, a, u)));
}

#define TAGS "<%asm_"
static const struct {
    const char *tag;
    bool all;
} tags[] = {{"<%asm_group_unsubscribe_raw_url%>", false}, {"<%asm_group_unsubscribe_url%>", false},
            {"<%asm_global_unsubscribe_raw_url%>", true}, {"<%asm_global_unsubscribe_url%>", true},
            {"<%asm_preferences_raw_url%>", false},       {"<%asm_preferences_url%>", false}};

int unsubscribe_tags(struct sends *s, struct arena *a, const struct unsubscribe *u,
                     const struct send_hosts *at, struct slice *text)
{
    struct buf b = BUF_INIT;
    struct slice rest = *text, link[2] = {SL(""), SL("")};
    size_t links = 0;
    if (!text->n || sl_find(*text, SL(TAGS)) == SL_NONE) return 0;
    for (int all = 0; u && all < 2; all++) {
        struct unsubscribe of = *u;
        if (all) of.group = 0;
        link[all] = link_of(s, a, &of, at);
    }
    for (size_t at_tag; (at_tag = sl_find(rest, SL(TAGS))) != SL_NONE && links <= UNSUBSCRIBE_LINKS_MAX;) {
        buf_put(&b, sl_sub(rest, 0, at_tag));
        rest = sl_from(rest, at_tag);
        size_t k = 0;
        while (k < COUNT_OF(tags) && !sl_starts(rest, sl_cstr(tags[k].tag))) k++;
        struct slice tag = k < COUNT_OF(tags) ? sl_cstr(tags[k].tag) : SL(TAGS);
        links += k < COUNT_OF(tags);
        buf_put(&b, k < COUNT_OF(tags) ? link[tags[k].all] : tag);
        rest = sl_from(rest, tag.n);
    }
    buf_put(&b, rest);
    if (links <= UNSUBSCRIBE_LINKS_MAX) *text = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return links <= UNSUBSCRIBE_LINKS_MAX
               ? 0
               : err_set(ERR_LIMIT, "a text has more than %d links to unsubscribe", UNSUBSCRIBE_LINKS_MAX);
}

void unsubscribe_fields(struct sends *s, struct arena *a, const struct unsubscribe *u,
                        const struct send_hosts *at, struct compose *c)
{
    struct compose_header *h = ar_array(a, struct compose_header, c->nheaders + 2);
    struct send_ref by_mail = u->letter;
    by_mail.kind = 'u';
    for (size_t i = 0; i < c->nheaders; i++) {
        h[i] = c->header[i];
        if (sl_eqi(h[i].name, SL("List-Unsubscribe"))) return; /* the sender has its own */
    }
    struct slice link = link_of(s, a, u, at), local = send_ref_text(s, a, &by_mail);
    h[c->nheaders++] = (struct compose_header){
        SL("List-Unsubscribe"),
        ar_printf(a, "<%.*s>, <mailto:%.*s@%.*s?subject=unsubscribe>", SLF(link), SLF(local), SLF(at->mail))};
    h[c->nheaders++] = (struct compose_header){SL("List-Unsubscribe-Post"), SL("List-Unsubscribe=One-Click")};
    c->header = h;
}
