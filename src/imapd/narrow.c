/* narrow.c - SEARCH asks the index of texts (store/grams.h) which messages it need not look into, and has
 * parts made that are missing: by one fiber of the node, at a pace that leaves others theirs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "imapd_i.h"
#include "reader/reader.h"
#include "store/grams.h"

/* A part that is not full yet is made of so many messages and more, and anew when as many have come, and half
 * of those that it has. */
enum { INDEX_FEW = 64 };

static bool is_due(uint32_t uidnext, uint32_t part, const struct grams_state *is)
{
    uint64_t first = (uint64_t)part * GRAMS_PART;
    if (is->known >= GRAMS_PART || uidnext <= first + is->known) return false;
    uint64_t come = uidnext - first - is->known;
    return uidnext >= first + GRAMS_PART || (come >= INDEX_FEW && come >= is->known / 2);
}

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
    uint32_t first = part * GRAMS_PART,
             here = x->uidnext - first < GRAMS_PART ? x->uidnext - first : GRAMS_PART;
    int e = 0;
    reader_records_begin(&records, x->server->conf.store, x->box, first + here - 1);
    for (uint32_t uid = first; uid < first + here && !e; uid++) {
        e = uid ? reader_record(&records, uid, &m) : ERR_NOT_FOUND;
        if (!e) e = index_message(x, m);
        else grams_unsure(x->g, uid % GRAMS_PART);
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0;
    }
    reader_records_end(&records);
    grams_known(x->g, here);
    return e;
}

static int index_part(struct indexing *x, uint32_t part)
{
    struct grams_state is = {.known = 0};
    int e = grams_there(x->server->conf.store, x->box, part, &is);
    if (e == ERR_NOT_FOUND) is.known = 0;
    if ((e && e != ERR_NOT_FOUND) || !is_due(x->uidnext, part, &is)) return e == ERR_NOT_FOUND ? 0 : e;
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
    for (uint32_t part = 0; part <= x->uidnext / GRAMS_PART && !e && !fiber_canceled(); part++)
        e = index_part(x, part);
    if (e && e != ERR_NOT_FOUND && e != ERR_CANCELED)
        log_warn("imap", "account %s, mailbox %u: the text index is not made: %s", x->account, x->box.box,
                 err_text(e));
    set_indexing(x->server, false, &was);
    free(x);
}

/* Parts of the selected mailbox are not indexed, or many messages of one are not: that is done by and by,
 * unless another mailbox's are at hand. */
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

/* Which messages of the part may hold each of the texts. */
static int ask(struct imapd_narrow *x, uint32_t part, struct grams_state *is)
{
    struct store *store = x->s->server->conf.store;
    struct grams_state still;
    int e = grams_there(store, imapd_box(x->s), part, is);
    for (size_t i = 0; i < x->n && !e; i++) {
        uint8_t *maybe = x->text[i].maybe;
        memset(maybe, 0xff, GRAMS_BITS);
        e = grams_narrow(store, imapd_box(x->s), part, x->text[i].kind, x->text[i].folded, maybe);
        for (size_t k = 0; k < GRAMS_BITS; k++) maybe[k] |= is->unsure[k];
    }
    int now = e && !err_is_damage(e) ? e : grams_there(store, imapd_box(x->s), part, &still);
    return now ? now : still.made == is->made ? e : ERR_BUSY;
}

static void load(struct imapd_narrow *x, uint32_t part)
{
    struct imapd_session *s = x->s;
    struct grams_state is;
    int e = ask(x, part, &is);
    x->part = part + 1;
    x->there = !e;
    if (err_is_damage(e)) {
        log_error(s->who, "mailbox %u: part %u of the text index is made anew: %s", s->view->box, part,
                  err_text(e));
        e = grams_erase(s->server->conf.store, imapd_box(s), part) ? ERR_IO : ERR_NOT_FOUND;
    }
    if (e == ERR_NOT_FOUND) is.known = 0;
    if ((!e || e == ERR_NOT_FOUND) && is_due(s->view->uidnext, part, &is)) index_wanted(s);
}

bool imapd_narrow_excludes(struct imapd_narrow *x, uint64_t text, uint32_t uid)
{
    if (!text) return false;
    if (x->part != uid / GRAMS_PART + 1) load(x, uid / GRAMS_PART);
    unsigned place = uid % GRAMS_PART;
    return x->there && !(x->text[text - 1].maybe[place / 8] & 1u << place % 8);
}
