/* narrow.c - SEARCH asks the index of texts (store/grams.h) which messages it need not look into, and has
 * parts made that are missing: by one fiber of the node, at a pace that leaves others theirs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "imapd_i.h"
#include "store/grams.h"

/* ---- making ---- */

struct indexing {
    struct imapd *server;
    char account[20];
    struct mailbox_ref box;
    uint32_t uidnext;
    struct grams *g;
    unsigned place;
    enum grams_kind kind;
};

static void add_text(void *arg, struct slice folded)
{
    struct indexing *x = arg;
    grams_add(x->g, x->place, x->kind, folded);
}

/* What cannot be read is looked for by every search, as before. */
static int index_message(struct indexing *x, const struct message *m)
{
    struct reader *rd;
    x->place = m->uid % GRAMS_PART;
    int e = reader_open(&rd, x->server->conf.store, x->box, m->uid, m);
    x->kind = GRAMS_FIELDS;
    if (!e) e = reader_fields(rd, add_text, x);
    x->kind = GRAMS_TEXTS;
    if (!e) e = reader_texts(rd, add_text, x);
    reader_close(&rd);
    if (err_is_damage(e) || e == ERR_IO || e == ERR_NOT_FOUND) {
        grams_unsure(x->g, x->place);
        e = 0;
    }
    return e ? e : fiber_sleep(IMAPD_INDEX_PAUSE);
}

/* Of a message that went a session may still know, and a damaged record may be mended: both are never left
 * out. */
static int gather_part(struct indexing *x, uint32_t part)
{
    struct reader_records records;
    const struct message *m;
    int e = 0;
    reader_records_begin(&records, x->server->conf.store, x->box, part * GRAMS_PART + GRAMS_PART - 1);
    for (uint32_t uid = part * GRAMS_PART; uid < part * GRAMS_PART + GRAMS_PART && !e; uid++) {
        e = uid ? reader_record(&records, uid, &m) : ERR_NOT_FOUND;
        if (!e) e = index_message(x, m);
        else grams_unsure(x->g, uid % GRAMS_PART);
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0;
    }
    reader_records_end(&records);
    return e;
}

static int index_part(struct indexing *x, uint32_t part)
{
    uint8_t unsure[GRAMS_BITS];
    int e = grams_there(x->server->conf.store, x->box, part, unsure);
    if (e != ERR_NOT_FOUND) return e;
    if (memory_over()) return err_set(ERR_BUSY, "there is no memory to spare at this moment");
    x->g = grams_begin();
    e = gather_part(x, part);
    if (!e) e = grams_write(x->g, x->server->conf.store, x->box, part);
    grams_free(&x->g);
    return e;
}

static void set_indexing(struct imapd *d, bool yes, bool *was)
{
    lock_take(&d->lock);
    *was = d->indexing;
    d->indexing = yes;
    lock_release(&d->lock);
}

static void index_box(void *arg)
{
    struct indexing *x = arg;
    bool was;
    int e = 0;
    for (uint32_t part = 0; part < x->uidnext / GRAMS_PART && !e && !fiber_canceled(); part++)
        e = index_part(x, part);
    if (e && e != ERR_NOT_FOUND && e != ERR_CANCELED)
        log_warn("imap", "account %s, mailbox %u: the text index is not made: %s", x->account, x->box.box,
                 err_text(e));
    set_indexing(x->server, false, &was);
    free(x);
}

/* Parts of the selected mailbox are not indexed: that is done by and by, unless another mailbox's are at
 * hand. */
static void index_wanted(struct imapd_session *s)
{
    bool was;
    set_indexing(s->server, true, &was);
    if (was) return; /* the next search asks again */
    struct indexing *x = xcalloc(1, sizeof *x);
    x->server = s->server;
    snprintf(x->account, sizeof x->account, "%s", s->view->acc);
    x->box = (struct mailbox_ref){.account = x->account, .box = s->view->box};
    x->uidnext = s->view->uidnext;
    if (group_go(s->g, "text index", index_box, x) == 0) return;
    set_indexing(s->server, false, &was);
    free(x);
}

/* ---- asking ---- */

struct imapd_narrow {
    struct imapd_session *s;
    uint32_t part; /* + 1: the one that is looked at; 0: none yet */
    bool there;    /* it is indexed */
    size_t n;
    struct {
        enum grams_kind kind;
        struct slice folded;
        uint8_t maybe[GRAMS_BITS];
    } text[IMAPD_NARROW_MAX];
};

struct imapd_narrow *imapd_narrow_begin(struct imapd_session *s)
{
    struct imapd_narrow *x = ar_new(&s->a, struct imapd_narrow);
    x->s = s;
    return x;
}

uint64_t imapd_narrow_add(struct imapd_narrow *x, bool fields, struct slice folded)
{
    if (folded.n < 3 || x->n == IMAPD_NARROW_MAX) return 0;
    x->text[x->n].kind = fields ? GRAMS_FIELDS : GRAMS_TEXTS;
    x->text[x->n].folded = folded;
    return ++x->n;
}

/* Parts to which messages can still come are not indexed, so not missing either. */
static bool is_whole(const struct imapd_session *s, uint32_t part)
{
    return s->view->uidnext / GRAMS_PART > part;
}

static void load(struct imapd_narrow *x, uint32_t part)
{
    struct imapd_session *s = x->s;
    uint8_t unsure[GRAMS_BITS];
    x->part = part + 1;
    x->there = false;
    if (!is_whole(s, part)) return;
    int e = grams_there(s->server->conf.store, imapd_box(s), part, unsure);
    for (size_t i = 0; i < x->n && !e; i++) {
        uint8_t *maybe = x->text[i].maybe;
        memset(maybe, 0xff, GRAMS_BITS);
        e = grams_narrow(s->server->conf.store, imapd_box(s), part, x->text[i].kind, x->text[i].folded,
                         maybe);
        for (size_t k = 0; k < GRAMS_BITS; k++) maybe[k] |= unsure[k];
    }
    x->there = !e;
    if (!e) return;
    if (err_is_damage(e)) {
        log_error(s->who, "mailbox %u: part %u of the text index is made anew: %s", s->view->box, part,
                  err_text(e));
        e = grams_erase(s->server->conf.store, imapd_box(s), part) ? ERR_IO : ERR_NOT_FOUND;
    }
    if (e == ERR_NOT_FOUND) index_wanted(s);
}

bool imapd_narrow_excludes(struct imapd_narrow *x, uint64_t text, uint32_t uid)
{
    if (!text) return false;
    if (x->part != uid / GRAMS_PART + 1) load(x, uid / GRAMS_PART);
    unsigned place = uid % GRAMS_PART;
    return x->there && !(x->text[text - 1].maybe[place / 8] & 1u << place % 8);
}
