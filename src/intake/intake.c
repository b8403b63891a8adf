/* intake.c - a letter's bytes on the way in. */
#include "intake_i.h"
#include "outgoing/signing.h"

/* ---- bytes ---- */

static void look_for_lines(struct intake_lines *t, struct slice run)
{
    for (size_t i = 0; i < run.n && !t->broken; i++) {
        char c = run.p[i];
        bool ends = c == '\n';
        t->column = ends ? 0 : t->column + (c != '\r');
        t->broken = !c || ends != (t->last == '\r') || t->column > INTAKE_LINE_MAX;
        t->last = c;
    }
}

static void body_bytes(struct intake_letter *l, struct slice run)
{
    if (!run.n || l->refusal.code) return;
    if (l->binary) look_for_lines(&l->seen, run);
    if (!l->eight_bit) l->eight_bit = !is_ascii(run);
    if (l->auth) mailauth_body(l->auth, run);
    if (l->signing) signing_body(l->pass, run);
    int e = body_write(l->body, run);
    if (e) intake_fail(l, e, "The letter cannot be stored");
}

/* Bytes up to and with the empty line that ends the header section, or SL_NONE. */
static size_t head_end(struct intake_letter *l)
{
    struct slice h = buf_slice(&l->head);
    if (sl_starts(h, SL("\r\n"))) return 2;
    size_t at = sl_find(sl_from(h, l->head_seen), SL("\r\n\r\n"));
    if (at != SL_NONE) return l->head_seen + at + 4;
    l->head_seen = h.n > 3 ? h.n - 3 : 0;
    return SL_NONE;
}

static void head_bytes(struct intake_letter *l, struct slice run)
{
    size_t before = l->head.n, room = (size_t)MAIL_HEAD_MAX + 4 - before;
    buf_put(&l->head, sl_sub(run, 0, room));
    size_t end = head_end(l);
    if (end == SL_NONE) {
        if (run.n >= room)
            intake_refuse(l, ERR_LIMIT, 552, "5.3.4", "The header section is longer than %d bytes",
                          MAIL_HEAD_MAX);
        return;
    }
    l->head.n = end;
    intake_head_complete(l);
    body_bytes(l, sl_from(run, end - before));
}

static void clean_bytes(struct intake_letter *l, struct slice run)
{
    l->size += run.n;
    if (l->from.origin != INTAKE_OURS && l->size > intake_size_max(l->in))
        intake_refuse(l, ERR_TOO_LONG, 552, "5.3.4",
                      "The letter is larger than %llu bytes; send less, or send a link",
                      (unsigned long long)intake_size_max(l->in));
    if (l->refusal.code || !run.n) return;
    if (l->head_done) body_bytes(l, run);
    else head_bytes(l, run);
}

void intake_bytes(struct intake_letter *l, struct slice bytes)
{
    ASSERT(l->in);
    struct slice run;
    if (l->from.origin != INTAKE_STRANGER)
        while (!intake_body_is_binary(l) && mail_lines_next(&l->lines, &bytes, &run)) clean_bytes(l, run);
    clean_bytes(l, bytes);
}
