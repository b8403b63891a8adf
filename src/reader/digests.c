/* digests.c - heads, envelopes, structures and previews of messages, made part by part and kept. */
#include "digests.h"

#include "base/log.h"
#include "base/memory.h"
#include "keys.h"
#include "mail/head.h"
#include "mail/mime_imap.h"
#include "reader.h"
#include "rt/rt.h"
#include "tails.h"

/* To be raised when what they are made with makes something else: mail/head.c, mail/mime*.c, preview.c,
 * keys.c, text.c. */
static const unsigned versions[READER_KINDS] = {2, 2, 2, 2, 2, 1};
_Static_assert(sizeof DIGEST_KINDS - 1 == READER_KINDS, "a letter for each");

/* What SORT, THREAD, SEARCH and ENVELOPE look into, and what clients ask for to show a list. */
static const struct slice kept[] = {
    SL_INIT("Date"),         SL_INIT("From"),
    SL_INIT("Sender"),       SL_INIT("Reply-To"),
    SL_INIT("To"),           SL_INIT("Cc"),
    SL_INIT("Bcc"),          SL_INIT("Subject"),
    SL_INIT("Message-ID"),   SL_INIT("In-Reply-To"),
    SL_INIT("References"),   SL_INIT("MIME-Version"),
    SL_INIT("Content-Type"), SL_INIT("Content-Transfer-Encoding"),
    SL_INIT("Priority"),     SL_INIT("X-Priority"),
    SL_INIT("Importance"),   SL_INIT("Newsgroups"),
    SL_INIT("List-Id"),      SL_INIT("List-Post"),
    SL_INIT("Lines"),        SL_INIT("Content-Description"),
    SL_INIT("X-Label"),      SL_INIT("Disposition-Notification-To"),
    SL_INIT("X-Mailer"),     SL_INIT("User-Agent"),
    SL_INIT("Precedence"),   SL_INIT("Auto-Submitted"),
};

bool reader_digest_has(struct slice field)
{
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (sl_eqi(field, kept[i])) return true;
    return false;
}

/* ---- making ---- */

/* One that has no end, more fields than are looked at or lines that are none is described as it is. */
static int make_head(struct reader *rd, struct arena *a, struct buf *out)
{
    struct slice head;
    struct mail_head h;
    int e = reader_head(rd, a, &head);
    if (e) return e;
    if (mail_head_parse(a, head, &h) != 0 || !h.complete || h.bad_fields) return ERR_UNSUPPORTED;
    mime_imap_fields(out, a, head, kept, COUNT_OF(kept), false);
    return 0;
}

static int make_envelope(struct reader *rd, struct arena *a, struct buf *out)
{
    struct slice head;
    int e = reader_head(rd, a, &head);
    if (!e) mime_imap_envelope(out, mime_parse(a, head)->root->envelope);
    return e;
}

static int make_structure(struct reader *rd, struct arena *a, struct buf *out)
{
    (void)a;
    int e = rd->m.size > BODY_SMALL ? ERR_UNSUPPORTED : reader_tree(rd);
    if (!e) mime_imap_structure(out, rd->tree->root, true);
    return e;
}

static int make_preview(struct reader *rd, struct arena *a, struct buf *out)
{
    struct slice text;
    int e = rd->m.size > BODY_SMALL ? ERR_UNSUPPORTED : reader_preview(rd, a, &text);
    if (!e) buf_put(out, text);
    return e;
}

static int make_order(struct reader *rd, struct arena *a, struct buf *out)
{
    struct slice head;
    struct mail_head h;
    int e = reader_head(rd, a, &head);
    if (e) return e;
    if (mail_head_parse(a, head, &h) != 0 && !h.n) h = (struct mail_head){0};
    reader_keys_put(out, a, &h);
    return 0;
}

static int make_folded(struct reader *rd, struct arena *a, struct buf *out)
{
    struct slice head;
    int e = reader_head(rd, a, &head);
    if (!e) reader_folded_put(out, head);
    return e;
}

static int (*const makers[READER_KINDS])(struct reader *rd, struct arena *a, struct buf *out) = {
    make_head, make_envelope, make_structure, make_preview, make_order, make_folded};

/* m: its record, or NULL. ERR_TOO_LONG: it is not to be kept. */
static int make_bytes(struct reader_digests *x, uint32_t uid, const struct message *m, struct buf *out)
{
    struct reader *rd;
    struct arena a;
    ar_init(&a, 0);
    buf_init(out, DIGEST_MAX);
    int e = reader_open(&rd, x->store, x->key.box, uid, m);
    if (!e) e = makers[x->kind](rd, &a, out);
    if (!e && out->over) e = ERR_TOO_LONG;
    reader_close(&rd);
    ar_free(&a);
    fiber_breathe();
    return e;
}

/* What cannot be made is not there; what could be made another time leaves the part for then. */
static int make_one(struct reader_digests *x, const struct message *m, struct digest *d)
{
    struct buf b;
    int e = make_bytes(x, m->uid, m, &b);
    if (!e) d->v[m->uid % DIGEST_PART] = ar_dup(&x->kept_a, buf_slice(&b));
    buf_free(&b);
    return err_is_temporary(e) || err_is_damage(e) || e == ERR_NOT_FOUND ? e : 0;
}

/* What cannot be written is computed again. */
static void write_kept(struct reader_digests *x)
{
    if (x->nkept) (void)!digest_write(x->store, &x->key, x->kept, x->nkept);
    x->nkept = 0;
    ar_reset(&x->kept_a);
}

/* NULL: it could not be made. */
static const struct digest *make_part(struct reader_digests *x, uint32_t part)
{
    struct arena a;
    struct message *v;
    size_t n = 0;
    if (x->nkept == READER_KEPT_MAX) write_kept(x);
    struct digest *d = &x->kept[x->nkept];
    *d = (struct digest){.part = part};
    ar_init(&a, 0);
    int e = message_list(x->store, x->key.box, part ? part * DIGEST_PART : 1, DIGEST_PART, &a, &v, &n);
    for (size_t i = 0; i < n && !e && v[i].uid / DIGEST_PART == part; i++) {
        e = x->asker.go_on(x->asker.arg);
        if (!e) e = make_one(x, &v[i], d);
    }
    ar_free(&a);
    if (e) {
        x->failed = part + 1;
        return NULL;
    }
    x->nkept++;
    return d;
}

/* ---- asking ---- */

void reader_digests_begin(struct reader_digests *x, const struct reader_digests_of *of,
                          enum reader_digest_kind kind, size_t many, const struct reader_digests_asker *asker)
{
    ASSERT(kind < READER_KINDS && asker->count && asker->go_on);
    x->store = of->store;
    x->key = (struct digest_key){of->box, of->uidvalidity, DIGEST_KINDS[kind], versions[kind]};
    x->kind = kind;
    x->uidnext = of->uidnext;
    x->asker = *asker;
    x->make = many >= READER_MANY;
    x->make_tail = many >= READER_SOME;
    x->missed_in = 0;
    x->span = x->failed = x->opened = 0;
    x->nthere = 0;
    x->nkept = 0;
    x->tail = (struct buf)BUF_INIT;
    ar_init(&x->a, 0);
    ar_init(&x->kept_a, 0);
}

void reader_digests_end(struct reader_digests *x)
{
    write_kept(x);
    buf_free(&x->tail);
    ar_free(&x->a);
    ar_free(&x->kept_a);
}

static bool is_full(const struct reader_digests *x, uint32_t part)
{
    return (uint64_t)(part + 1) * DIGEST_PART <= x->uidnext;
}

/* NULL: it is not there, or of no use. */
static const struct digest *find_there(struct reader_digests *x, uint32_t part)
{
    if (x->opened != part + 1) {
        size_t i = 0;
        while (i < x->nthere && x->there[i].part < part) i++;
        bool there = i < x->nthere && x->there[i].part == part;
        x->of_use = there && digest_parse(&x->key, &x->there[i], &x->open) == 0;
        x->opened = part + 1;
    }
    return x->of_use ? &x->open : NULL;
}

static const struct digest *find_kept(const struct reader_digests *x, uint32_t part)
{
    for (size_t i = 0; i < x->nkept; i++)
        if (x->kept[i].part == part) return &x->kept[i];
    return NULL;
}

/* How many parts are read at once by who goes on: twice as many as before, unless they were long. */
static uint32_t next_span(const struct reader_digests *x)
{
    enum { FIRST = 8, ENOUGH_BYTES = 128 * 1024 };
    size_t bytes = 0;
    for (size_t i = 0; i < x->nthere; i++) bytes += x->there[i].bytes.n;
    uint32_t span = bytes > 2 * ENOUGH_BYTES ? x->span / 2 : bytes > ENOUGH_BYTES ? x->span : 2 * x->span;
    return span < FIRST ? FIRST : span > READER_AHEAD ? READER_AHEAD : span;
}

static void read_parts(struct reader_digests *x, uint32_t part)
{
    bool next = x->make && (!x->span || part == x->first + x->span);
    uint32_t span = next ? next_span(x) : 1;
    ar_reset(&x->a);
    x->nthere = 0;
    x->opened = 0;
    x->of_use = false;
    x->first = part;
    x->span = span;
    if (digest_read(x->store, &x->key, part, &x->span, &x->a, &x->there, &x->nthere) != 0) x->span = 1;
}

/* One more of the part is asked for that is not there: is the whole worth its making? */
static bool enough(struct reader_digests *x, uint32_t uid)
{
    uint32_t part = uid / DIGEST_PART, first = part * DIGEST_PART;
    if (x->missed_in != part + 1) x->missed = 0;
    x->missed_in = part + 1;
    if (x->missed && x->missed_last == uid) return false; /* another look at the same one */
    x->missed_last = uid;
    if (++x->missed >= READER_ENOUGH) return true;
    return x->missed >= x->asker.count(x->asker.arg, first, first + DIGEST_PART);
}

/* Who asks for many, one part after another, has some of them read at once. */
static const struct digest *find_part(struct reader_digests *x, uint32_t uid)
{
    uint32_t part = uid / DIGEST_PART;
    if (!is_full(x, part)) return NULL;
    if (!x->span || part < x->first || part - x->first >= x->span) read_parts(x, part);
    const struct digest *d = find_there(x, part);
    if (!d) d = find_kept(x, part);
    bool make = !d && x->make && x->failed != part + 1 && enough(x, uid) && !memory_over();
    return make ? make_part(x, part) : d;
}

/* One of the newest: made when some are asked for, and kept in memory. */
static bool tail_digest(struct reader_digests *x, uint32_t uid, struct slice *out)
{
    buf_free(&x->tail);
    bool there = reader_tails_get(x->asker.tails, &x->key, uid, &x->tail);
    if (!there && x->make_tail && !memory_over() && make_bytes(x, uid, NULL, &x->tail) == 0) {
        reader_tails_put(x->asker.tails, &x->key, uid, buf_slice(&x->tail));
        there = true;
    }
    *out = x->tail.n ? buf_slice(&x->tail) : SL("");
    return there;
}

bool reader_digest(struct reader_digests *x, uint32_t uid, struct slice *out)
{
    if (x->asker.tails && !is_full(x, uid / DIGEST_PART)) return tail_digest(x, uid, out);
    const struct digest *d = find_part(x, uid);
    if (d) *out = d->v[uid % DIGEST_PART];
    return d && out->p;
}
