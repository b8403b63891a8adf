/* send_take.c - a send is taken: judged, its suppressed recipients left out, all of it durable, page by page
 * while it comes: pages first, the head last. Pages without a head were never acknowledged and are swept. */
#include <stdio.h>
#include <stdlib.h>

#include "allowance/allowance.h"
#include "base/log.h"
#include "base/text.h"
#include "mail/addr.h"
#include "mail/head.h"
#include "send_batch.h"
#include "send_i.h"
#include "standing.h"
#include "suppression.h"

#define HOLD_WAIT (20 * RT_S)
#define HOLD_LOOK (RT_S / 50)

struct waiting { /* a row that is not written yet */
    struct slice key, value;
    struct waiting *next;
};
struct send_writer {
    struct sends *s;
    const struct account *account;
    struct arena a;    /* of the head */
    struct arena rows; /* of what waits */
    struct waiting *first, **last;
    size_t waiting;
    bool written; /* some of it is on the disk */
    bool marked;  /* as being taken, by this one */
    struct send_head head;
    struct letter_id id;
    struct slice claim, digest; /* key of the row in _sends that is ours under the caller's key; or empty */
    struct buf page;
    uint64_t page_first;
    struct send_left_out *who;
    size_t nwho, who_room;
    enum send_action said; /* to its batch; SEND_RESUME: nothing */
    int failed;            /* the whole send: nothing may be committed any more */
};

/* ---- form ---- */

static int text_fits(const char *what, struct slice s, size_t most)
{
    if (s.n > most) return err_set(ERR_TOO_LONG, "%s has %zu bytes, more than %zu", what, s.n, most);
    if (!utf8_valid(s)) return err_set(ERR_SYNTAX, "%s is not UTF-8", what);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
            return err_set(ERR_SYNTAX, "%s holds a control character", what);
    return 0;
}

static int body_fits(const char *what, struct slice s)
{
    if (s.n > SEND_COMMON_MAX) return err_set(ERR_TOO_LONG, "%s is too long", what);
    return utf8_valid(s) ? 0 : err_set(ERR_SYNTAX, "%s is not UTF-8", what);
}

static int fields_fit(const struct send_fields *f)
{
    int e = 0;
    if (f->n > SEND_FIELDS_MAX)
        return err_set(ERR_LIMIT, "there are %zu header fields, more than %d", f->n, SEND_FIELDS_MAX);
    for (size_t i = 0; !e && i < f->n; i++) {
        struct slice name = f->v[i].name;
        for (size_t k = 0; k < name.n; k++) /* RFC 5322 section 2.2 */
            if (name.p[k] <= ' ' || name.p[k] > '~' || name.p[k] == ':') name.n = 0;
        if (!name.n || name.n > 76) return err_set(ERR_SYNTAX, "a header field has a name that is none");
        e = text_fits("a header field", f->v[i].value, 20000);
    }
    return e;
}

/* In canonical form, in a. */
static int address_fits(struct arena *a, const char *what, struct send_addr *m)
{
    struct slice local, domain;
    int e = text_fits("the name beside an address", m->name, 1000);
    if (!e) e = m->address.n > LIMIT_ADDRESS ? ERR_TOO_LONG : address_split(a, m->address, &local, &domain);
    if (e) {
        struct slice shown = printable(a, m->address, 100);
        return err_set(e, "%s, %.*s: %s", what, SLF(shown), err_text(e));
    }
    m->address = mail_addr_join(a, local, domain);
    m->left_out = SEND_OUT_NONE;
    return 0;
}

static int may_send_as(struct send_writer *w, struct arena *a, struct slice address)
{
    struct slice local, domain;
    int e = mail_addr_split(a, address, &local, &domain);
    return e ? e : account_may_send_as(w->s->store->directory, w->account, local, domain);
}

/* ---- rows on their way ---- */

static void row_add(struct send_writer *w, struct slice key, struct slice value)
{
    struct waiting *r = ar_new(&w->rows, struct waiting);
    *r = (struct waiting){ar_dup(&w->rows, key), ar_dup(&w->rows, value), NULL};
    *w->last = r;
    w->last = &r->next;
    w->waiting += key.n + value.n;
}

struct flushing {
    struct send_writer *w;
    bool last;
    int64_t now;
};

static void note(struct kv_tx *tx, struct slice key, const struct buf *record)
{
    kv_tx_note(tx, SL(SENDS_OBJECT), key, record);
}

/* A sandbox is over when it is taken. */
static void note_over(struct kv_tx *tx, struct arena *a, const struct letter_id *id, int64_t when)
{
    struct buf b = BUF_INIT;
    buf_char(&b, '1');
    note(tx, send_key_over(a, when, id), &b);
    buf_free(&b);
}

void send_tx_list(struct kv_tx *tx, struct arena *a, const struct letter_id *id, const struct send_head *h)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put(&b, 'a', h->account);
    rec_put_u64(&b, 'p', h->stream);
    rec_opt_u64(&b, 'u', (uint64_t)h->send_at);
    if (h->options & SEND_SANDBOX) note_over(tx, a, id, h->taken);
    else note(tx, ar_printf(a, "a/%s", id->s), &b);
    rec_begin(&b, 1);
    rec_opt(&b, 'c', h->campaign);
    rec_opt(&b, 'b', h->batch);
    if (h->campaign.n || h->batch.n) note(tx, ar_printf(a, "l/%.*s/%s", SLF(h->account), id->s), &b);
    buf_free(&b);
}

/* What is said to its batch is said to it. */
static void put_order(struct kv_tx *tx, const struct send_writer *w)
{
    struct buf b = BUF_INIT;
    const struct send_order o = {.state = w->said == SEND_CANCEL ? SEND_CANCELED : SEND_PAUSED,
                                 .since = w->head.taken,
                                 .why = SL(SEND_BATCH_WHY)};
    send_order_put(&b, &o);
    kv_tx_put_record(tx, SL("s"), &b);
    buf_free(&b);
}

static void put_last(struct kv_tx *tx, struct arena *a, struct send_writer *w)
{
    struct buf b = BUF_INIT;
    lock_take(&w->s->lock);
    w->head.events = w->s->last_event;
    lock_release(&w->s->lock);
    send_head_put(&b, &w->head);
    kv_tx_put_record(tx, SL("h"), &b);
    buf_free(&b);
    send_tx_list(tx, a, &w->id, &w->head);
    if (w->said != SEND_RESUME) put_order(tx, w);
}

static int flush_tx(struct kv_tx *tx, void *arg)
{
    struct flushing *x = arg;
    struct send_writer *w = x->w;
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct slice row;
    int e = 0;
    if (x->last && kv_tx_get(tx, SL("h"), &row) == 0)
        e = err_set(ERR_EXISTS, "the id %s names another send: try again", w->id.s);
    for (struct waiting *r = w->first; !e && r; r = r->next) kv_tx_put(tx, r->key, r->value);
    rec_begin(&b, 1);
    rec_put_u64(&b, 't', (uint64_t)x->now);
    if (!x->last) note(tx, ar_printf(&a, "u/%s", w->id.s), &b);
    else if (!e) put_last(tx, &a, w);
    buf_free(&b);
    ar_free(&a);
    return e;
}

static int flush(struct send_writer *w, bool last)
{
    char object[24];
    struct flushing x = {w, last, rt_wall_seconds()};
    send_object(&w->id, object);
    if (w->failed) return w->failed;
    w->written = true;
    int e = kv_transact(w->s->store->kv, sl_cstr(object), flush_tx, &x);
    if (e == ERR_UNKNOWN && last) { /* a name is given once: what is there is this send */
        struct slice row;
        if (kv_get(w->s->store->kv, sl_cstr(object), SL("h"), &w->rows, &row) == 0) e = 0;
    }
    w->failed = e;
    ar_reset(&w->rows);
    w->first = NULL;
    w->last = &w->first;
    w->waiting = 0;
    return e;
}

/* A blob over as many rows as it takes. */
static int put_blob(struct send_writer *w, struct slice blob, bool page)
{
    int e = 0;
    for (unsigned row = 0; !e && blob.n; row++) {
        struct slice part = sl_sub(blob, 0, SEND_ROW_BYTES);
        blob = sl_from(blob, part.n);
        row_add(w, page ? send_key_page(&w->rows, w->page_first, row) : send_key_common(&w->rows, row), part);
        if (w->waiting >= SEND_FLUSH_BYTES) e = flush(w, false);
    }
    return e;
}

static int close_page(struct send_writer *w)
{
    int e = put_blob(w, buf_slice(&w->page), true);
    buf_clear(&w->page);
    w->page_first = w->head.numbers;
    return e;
}

/* ---- the same request again ---- */

struct claiming {
    struct slice key, digest;
    struct letter_id own, id; /* own: of who asks, who holds it; id: whose it is */
    int64_t now;
};

static int claim_tx(struct kv_tx *tx, void *arg)
{
    struct claiming *x = arg;
    struct slice row, digest = {0};
    struct letter_id id = {{0}};
    struct rec r;
    int64_t when = 0;
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, x->key, &row);
    if (!e) e = rec_open(&r, row, 1);
    while (!e && rec_next(&r)) {
        if (r.tag == 'i' && letter_id_ok(r.field)) memcpy(id.s, r.field.p, LETTER_ID_LEN);
        if (r.tag == 'd') digest = r.field;
        if (r.tag == 't') when = (int64_t)rec_u64(&r);
    }
    bool found = !e && id.s[0] && when > x->now - SEND_IDEMPOTENCY_S;
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && found && !sl_eq(digest, x->digest))
        e = err_set(ERR_EXISTS, "this key of idempotency was used for another request");
    x->id = found ? id : x->own;
    if (!e && !found) {
        send_claim_put(&b, &x->id, x->digest, x->now);
        kv_tx_put_record(tx, x->key, &b);
    }
    buf_free(&b);
    return e;
}

bool send_hold(struct sends *s, const struct letter_id *id)
{
    lock_take(&s->lock);
    bool free_ = !map_get(&s->taking, sl_cstr(id->s));
    if (free_) map_put(&s->taking, sl_cstr(id->s), s);
    lock_release(&s->lock);
    return free_;
}

void send_let_go(struct sends *s, const struct letter_id *id)
{
    lock_take(&s->lock);
    map_del(&s->taking, sl_cstr(id->s));
    lock_release(&s->lock);
}

void send_digest(struct send_writer *w, struct slice digest) { w->head.digest = ar_dup(&w->a, digest); }

static int answer_of(struct send_writer *w, struct arena *a, struct send_taken *done)
{
    struct send_head h;
    int e = send_head_read(w->s, &w->id, a, &h);
    if (!e)
        *done = (struct send_taken){.id = w->id,
                                    .letters = h.letters,
                                    .recipients = h.recipients,
                                    .left_out = h.left_out,
                                    .digest = h.digest,
                                    .before = true};
    return e;
}

/* The same request at once: who comes second waits for the first, and is answered as it was. */
static int hold_in_turn(struct send_writer *w)
{
    int64_t until = rt_now() + HOLD_WAIT;
    int e = 0;
    while (!(w->marked = send_hold(w->s, &w->id)) && !e)
        e = rt_now() < until ? fiber_sleep(HOLD_LOOK)
                             : err_set(ERR_BUSY, "the same request is being taken at this moment");
    return e;
}

static int claim_row(struct send_writer *w, struct claiming *x)
{
    x->own = w->id;
    return kv_transact(w->s->store->kv, SL(SENDS_OBJECT), claim_tx, x);
}

/* Until the row names a send that is held here. Our own is held before anybody can know of it; who waited for
 * another's looks again, for that one may have failed, and have taken the row away. *first: it is new. */
static int claim_and_hold(struct send_writer *w, struct claiming *x, bool *first)
{
    *first = true;
    w->marked = send_hold(w->s, &w->id);
    int e = claim_row(w, x);
    while (!e && strcmp(x->id.s, w->id.s) != 0) {
        *first = false;
        send_let_go(w->s, &w->id);
        w->id = x->id;
        e = hold_in_turn(w);
        if (!e) e = claim_row(w, x);
    }
    return e;
}

/* Under the caller's key: is this the first time? A first time that was cut off is begun again under its id,
 * which nobody was told. */
static int claim(struct send_writer *w, struct slice key, struct arena *a, struct send_taken *done)
{
    struct claiming x = {.digest = w->digest, .now = rt_wall_seconds()};
    struct buf hex = BUF_INIT;
    uint8_t sum[HASH_MAX];
    bool first;
    hash_once(HASH_SHA256, key, sum);
    hex_encode(&hex, sl((const char *)sum, 16));
    w->head.claim = ar_dup(&w->a, buf_slice(&hex));
    w->head.claimed = w->digest;
    x.key = send_key_claim(&w->a, w->head.account, w->head.claim);
    buf_free(&hex);
    int e = claim_and_hold(w, &x, &first);
    if (e) return e;
    w->claim = x.key;
    if (first) return 0;
    e = answer_of(w, a, done);
    if (e != ERR_NOT_FOUND) return e;
    char object[24];
    send_object(&w->id, object);
    return kv_erase(w->s->store->kv, sl_cstr(object), SL(" "), SL(""));
}

/* ---- the common part ---- */

static int words_fit(const struct send *what)
{
    int e = text_fits("the campaign", what->campaign, SEND_WORD_MAX);
    if (!e && what->idempotency.n > SEND_WORD_MAX)
        e = err_set(ERR_TOO_LONG, "the key of idempotency is longer than %d bytes", SEND_WORD_MAX);
    if (!e && what->ncategories > SEND_CATEGORIES_MAX)
        e = err_set(ERR_LIMIT, "there are more than %d categories", SEND_CATEGORIES_MAX);
    for (size_t i = 0; !e && i < what->ncategories; i++)
        e = text_fits("a category", what->category[i], SEND_WORD_MAX);
    if (!e && what->send_at > rt_wall_seconds() + SEND_AHEAD_S)
        e = err_set(ERR_LIMIT, "the time to send at lies more than a year ahead");
    if (!e) e = text_fits("the batch", what->batch, SEND_WORD_MAX);
    return e ? e : text_fits("the id of the key", what->key, SEND_WORD_MAX);
}

static int addresses_fit(struct send_writer *w, struct send *c)
{
    int e = c->from.address.n ? address_fits(&w->a, "the sender", &c->from) : 0;
    if (!e && c->from.address.n) e = may_send_as(w, &w->a, c->from.address);
    if (!e && c->sender.address.n) e = address_fits(&w->a, "the Sender", &c->sender);
    if (!e && c->sender.address.n) e = may_send_as(w, &w->a, c->sender.address);
    struct send_addr *v = ar_array(&w->a, struct send_addr, c->reply_to.n);
    for (size_t i = 0; !e && i < c->reply_to.n; i++) {
        v[i] = c->reply_to.v[i];
        e = address_fits(&w->a, "an address to reply to", &v[i]);
    }
    c->reply_to.v = v;
    return e;
}

static int content_fits(const struct send *c)
{
    int e = text_fits("the subject", c->subject, 10000);
    if (!e) e = fields_fit(&c->fields);
    for (size_t i = 0; !e && i < c->nparts; i++) {
        e = text_fits("the type of a part", c->part[i].type, 200);
        if (!e) e = body_fits("a part of the text", c->part[i].text);
    }
    if (!e && c->nfiles > SEND_FILES_MAX)
        e = err_set(ERR_LIMIT, "there are more than %d attachments", SEND_FILES_MAX);
    for (size_t i = 0; !e && i < c->nfiles; i++) {
        e = text_fits("the name of an attachment", c->file[i].name, 1000);
        if (!e) e = text_fits("the type of an attachment", c->file[i].type, 200);
        if (!e) e = text_fits("the Content-ID of an attachment", c->file[i].content_id, 500);
    }
    if (!e && !c->nparts && !c->raw.n) e = err_set(ERR_SYNTAX, "there is no text");
    if (!e) e = body_fits("the data", c->data);
    return e ? e : body_fits("the arguments", c->args);
}

static int take_common(struct send_writer *w, const struct send *what)
{
    struct send c = *what;
    struct buf b = BUF_INIT;
    int e = words_fit(what);
    if (!e && !what->from.address.n) e = err_set(ERR_SYNTAX, "there is no sender");
    if (!e) e = addresses_fit(w, &c);
    if (!e) e = content_fits(&c);
    if (!e && c.raw.n) e = send_raw_fits(w->s, w->account, &w->a, &c.raw);
    if (!e) {
        buf_init(&b, SEND_COMMON_MAX);
        send_common_put(&b, &c);
        if (b.over)
            e = err_set(ERR_TOO_LONG, "text and attachments have more than %d bytes", SEND_COMMON_MAX);
    }
    if (!e) e = put_blob(w, buf_slice(&b), false);
    buf_free(&b);
    return e;
}

static void set_head(struct send_writer *w, const struct send *what)
{
    struct arena *a = &w->a;
    w->head = (struct send_head){.account = ar_dup(a, sl_cstr(what->account->id)),
                                 .address = ar_dup(a, what->account->address),
                                 .key = ar_dup(a, what->key),
                                 .campaign = ar_dup(a, what->campaign),
                                 .batch = ar_dup(a, what->batch),
                                 .stream = what->stream,
                                 .options = what->options,
                                 .group = what->group,
                                 .taken = rt_wall_seconds(),
                                 .send_at = what->send_at};
    for (size_t i = 0; i < what->ncategories && i < SEND_CATEGORIES_MAX; i++)
        w->head.category[w->head.ncategories++] = ar_dup(a, what->category[i]);
}

static int may_go_on(struct sends *s, const struct send *what)
{
    int64_t until;
    if (what->stream != STREAM_BULK || what->options & SEND_SANDBOX) return 0;
    return standing_ask(s, sl_cstr(what->account->id), &until);
}

int send_begin(struct sends *s, const struct send *what, struct arena *a, struct send_writer **out,
               struct send_taken *done)
{
    struct send_writer *w = xcalloc(1, sizeof *w);
    w->s = s;
    w->account = what->account;
    w->last = &w->first;
    letter_id_new(&w->id);
    set_head(w, what);
    w->digest = ar_dup(&w->a, what->digest);
    *done = (struct send_taken){0};
    int e = 0;
    if (what->idempotency.n && what->idempotency.n <= SEND_WORD_MAX) e = claim(w, what->idempotency, a, done);
    else w->marked = send_hold(s, &w->id);
    if (!e && !done->before) e = may_go_on(s, what);
    if (!e && !done->before) e = take_common(w, what);
    *out = w;
    if (e || done->before) send_abandon(out);
    return e;
}

/* ---- a letter ---- */

struct adding {
    struct send_writer *w;
    struct arena a;
    struct send_letter l;
    uint64_t recipients, left_out;
};

static int judge_addrs(struct adding *x, struct send_addrs *list)
{
    int e = 0;
    struct send_addr *v = ar_array(&x->a, struct send_addr, list->n);
    for (size_t i = 0; !e && i < list->n; i++) {
        v[i] = list->v[i];
        e = address_fits(&x->a, "a recipient", &v[i]);
        struct suppression_ask ask = {.account = x->w->head.account,
                                      .address = v[i].address,
                                      .stream = x->w->head.stream,
                                      .group = x->w->head.group,
                                      .options = x->w->head.options};
        if (!e) e = suppression_judge(x->w->s, &ask, &v[i].left_out);
        if (v[i].left_out) x->left_out++;
        else x->recipients++;
    }
    list->v = v;
    return e;
}

static int letter_fits(struct adding *x)
{
    struct send_letter *l = &x->l;
    size_t n = l->to.n + l->cc.n + l->bcc.n;
    if (!n) return err_set(ERR_SYNTAX, "a letter has no recipient");
    if (n > SEND_RCPTS_MAX)
        return err_set(ERR_LIMIT, "a letter has %zu recipients, more than %d", n, SEND_RCPTS_MAX);
    int e = text_fits("the subject", l->subject, 10000);
    if (!e) e = fields_fit(&l->fields);
    if (!e) e = body_fits("the data", l->data);
    if (!e) e = body_fits("the arguments", l->args);
    if (!e) e = text_fits("the letter's own word", l->custom, 1000);
    if (!e && l->send_at > rt_wall_seconds() + SEND_AHEAD_S)
        e = err_set(ERR_LIMIT, "the time to send at lies more than a year ahead");
    if (!e && l->from.address.n) e = address_fits(&x->a, "the sender", &l->from);
    if (!e && l->from.address.n) e = may_send_as(x->w, &x->a, l->from.address);
    return e;
}

static void tell_left_out(struct send_writer *w, const struct send_addrs *list)
{
    for (size_t i = 0; i < list->n && w->nwho < SEND_LEFT_OUT_TOLD; i++) {
        if (!list->v[i].left_out) continue;
        if (!w->who) w->who = ar_array(&w->a, struct send_left_out, w->who_room = 8);
        if (w->nwho == w->who_room) w->who = ar_grow(&w->a, w->who, &w->who_room, sizeof *w->who);
        w->who[w->nwho++] = (struct send_left_out){ar_dup(&w->a, list->v[i].address), list->v[i].left_out};
    }
}

static int put_letter(struct adding *x)
{
    struct send_writer *w = x->w;
    struct buf b = BUF_INIT;
    int e = 0;
    buf_init(&b, SEND_LETTER_MAX);
    send_letter_put(&b, &x->l);
    if (b.over) e = err_set(ERR_TOO_LONG, "a letter's own data have more than %d bytes", SEND_LETTER_MAX);
    if (!e && w->page.n && w->page.n + b.n > SEND_PAGE_BYTES) e = w->failed = close_page(w);
    if (!e) {
        w->page.cap = 0;
        rec_put(&w->page, 'L', buf_slice(&b));
        w->head.numbers++;
        w->head.letters += x->recipients > 0;
        w->head.recipients += x->recipients;
        w->head.left_out += x->left_out;
        if (w->page.n >= SEND_PAGE_BYTES) e = w->failed = close_page(w);
    }
    buf_free(&b);
    return e;
}

int send_add(struct send_writer *w, const struct send_letter *l)
{
    struct adding x = {.w = w, .l = *l};
    if (w->failed) return w->failed;
    int e = letter_fits(&x);
    if (!e) e = judge_addrs(&x, &x.l.to);
    if (!e) e = judge_addrs(&x, &x.l.cc);
    if (!e) e = judge_addrs(&x, &x.l.bcc);
    if (!e) e = put_letter(&x);
    if (!e) {
        tell_left_out(w, &x.l.to);
        tell_left_out(w, &x.l.cc);
        tell_left_out(w, &x.l.bcc);
    }
    ar_free(&x.a);
    fiber_breathe();
    return e;
}

/* ---- the end ---- */

static void writer_free(struct send_writer **wp)
{
    struct send_writer *w = *wp;
    if (w->marked) send_let_go(w->s, &w->id);
    buf_free(&w->page);
    ar_free(&w->rows);
    ar_free(&w->a);
    free(w);
    *wp = NULL;
}

static uint32_t as_want(uint64_t n) { return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX; }

/* Whose limits, and how much of them. False: nothing is to be asked. */
static bool wants(const struct send_writer *w, struct allowance_of *who, struct allowance_want *want)
{
    if (!w->s->allowance || w->head.options & SEND_SANDBOX || !w->head.recipients) return false;
    *who = (struct allowance_of){
        .id = w->account->id, .limits = w->account->limits, .key_limits = SENDER_LIMITS_UNSET};
    *want =
        (struct allowance_want){.letters = as_want(w->head.letters), .rcpts = as_want(w->head.recipients)};
    return true;
}

/* Counted with the last commit of the send; what is not taken is not counted. */
static int flush_counted(struct send_writer *w)
{
    struct allowance_of who;
    struct allowance_want want;
    struct allowance_end end;
    bool counts = wants(w, &who, &want);
    int e = counts ? allowance_take(w->s->allowance, &who, &want, &end) : 0;
    if (e) return e;
    e = flush(w, true);
    if (!e || e == ERR_UNKNOWN || !counts) return e;
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    allowance_return(w->s->allowance, &who, &want);
    return err_set(e, "%s", why);
}

int send_commit(struct send_writer **wp, struct arena *a, struct send_taken *out)
{
    ASSERT(*wp);
    struct send_writer *w = *wp;
    int e = w->failed;
    if (!e && !w->head.numbers) e = err_set(ERR_SYNTAX, "there is no recipient");
    if (!e && w->page.n) e = close_page(w);
    if (!e) e = send_batch_said(w->s, w->head.account, w->head.batch, 0, &w->said);
    if (!e) e = flush_counted(w);
    if (e && e != ERR_UNKNOWN) {
        send_abandon(wp);
        return e;
    }
    *out = (struct send_taken){.id = w->id,
                               .letters = w->head.letters,
                               .recipients = w->head.recipients,
                               .left_out = w->head.left_out,
                               .nwho = w->nwho,
                               .who = ar_array(a, struct send_left_out, w->nwho)};
    bool runs = !(w->head.options & SEND_SANDBOX) && w->head.send_at <= rt_wall_seconds() + SEND_SOON_S;
    if (runs && w->s->tell) w->s->tell(w->s, &w->id);
    for (size_t i = 0; i < w->nwho; i++)
        out->who[i] = (struct send_left_out){ar_dup(a, w->who[i].address), w->who[i].reason};
    writer_free(wp);
    return e;
}

struct forgetting {
    struct slice claim, unfinished, id;
};

/* Is the row of that key its claim? It may be of another, once it was too old. */
static bool claims(struct kv_tx *tx, struct slice key, struct slice id)
{
    struct slice row;
    struct rec r;
    if (!key.n || kv_tx_get(tx, key, &row) != 0 || rec_open(&r, row, 1) != 0) return false;
    while (rec_next(&r))
        if (r.tag == 'i') return sl_eq(r.field, id);
    return false;
}

static int forget_tx(struct kv_tx *tx, void *arg)
{
    struct forgetting *x = arg;
    if (claims(tx, x->claim, x->id)) kv_tx_del(tx, x->claim);
    kv_tx_del(tx, x->unfinished);
    return 0;
}

/* What was written is swept later when it cannot be taken away now. */
static void forget(struct send_writer *w)
{
    char object[24], text[ERR_TEXT_MAX];
    int code = w->failed;
    snprintf(text, sizeof text, "%s", err_text(code));
    struct forgetting x = {w->claim, ar_printf(&w->a, "u/%s", w->id.s), sl_cstr(w->id.s)};
    send_object(&w->id, object);
    int e = w->written ? kv_erase(w->s->store->kv, sl_cstr(object), SL(" "), SL("")) : 0;
    if (!e && (w->written || w->claim.n)) e = kv_transact(w->s->store->kv, SL(SENDS_OBJECT), forget_tx, &x);
    if (e) log_warn("send", "%s: what was written of it is swept later: %s", w->id.s, err_text(e));
    if (code) err_set(code, "%s", text);
}

void send_abandon(struct send_writer **wp)
{
    struct send_writer *w = *wp;
    if (!w) return;
    struct send_head h;
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err_text(w->failed));
    /* one whose head cannot be read may have been acknowledged: nothing of it goes, nor the key it was asked
     * under */
    int e = send_head_read(w->s, &w->id, &w->a, &h);
    if (w->failed) err_set(w->failed, "%s", text);
    if (e == ERR_NOT_FOUND) forget(w);
    writer_free(wp);
}

int send_take(struct sends *s, const struct send *what, const struct send_letter *letter, size_t n,
              struct arena *a, struct send_taken *out)
{
    struct send_writer *w;
    int e = send_begin(s, what, a, &w, out);
    if (e || !w) return e;
    for (size_t i = 0; !e && i < n; i++) e = send_add(w, &letter[i]);
    if (!e) return send_commit(&w, a, out);
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err_text(e));
    send_abandon(&w);
    return err_set(e, "%s", text);
}
