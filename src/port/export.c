/* export.c - every mailbox and every message of an account into a sink: a Maildir or a folder of mbox files.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "port_i.h"

enum { LIST_AT_ONCE = 500 };

static int put(struct port_sink *s, struct mailbox_ref box, const struct message *m, struct slice name)
{
    struct porting *p = s->p;
    struct reader *rd;
    int e = reader_open(&rd, p->store, box, m->uid, m);
    if (!e) e = s->put(s, m, rd);
    if (!e) p->report->messages++;
    reader_close(&rd);
    if (!e || e == ERR_FULL) return e;
    char what[100];
    snprintf(what, sizeof what, "the message with UID %u in %.*s", m->uid, (int)utf8_cut(name, 40).n, name.p);
    return port_failed(p, e, sl_cstr(what));
}

static int put_page(struct port_sink *s, struct mailbox_ref box, const struct message *m, size_t n,
                    struct slice name)
{
    int e = 0;
    for (size_t i = 0; !e && i < n; i++) {
        bool there = s->has(s, &m[i]);
        s->p->report->there += there;
        if (!there) e = put(s, box, &m[i], name);
        s->p->progress.done++;
        if (!e) e = port_progressed(s->p);
        fiber_breathe();
    }
    return e;
}

/* Rows that cannot be read are left out of the list: when nothing changed, fewer than there should be say so.
 */
static int tell_missing(struct port_sink *s, const struct mailbox *before, uint64_t listed)
{
    struct porting *p = s->p;
    struct mailbox now;
    struct arena a;
    ar_init(&a, 0);
    int e = mailbox_get(p->store, p->acc, before->id, &a, &now);
    if (!e && now.modseq == before->modseq && listed < now.exists) {
        p->report->failed += now.exists - listed;
        e = port_problem(p, "%.*s: the records of %llu messages are damaged; see tram verify",
                         SLF(before->name), (unsigned long long)(now.exists - listed));
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int export_messages(struct port_sink *s, const struct mailbox *box)
{
    struct mailbox_ref ref = {.account = s->p->acc, .box = box->id};
    struct message *m;
    struct arena a;
    uint64_t listed = 0;
    size_t n = LIST_AT_ONCE;
    int e = 0;
    ar_init(&a, 0);
    for (uint32_t from = 1; !e && n == LIST_AT_ONCE && from; ar_reset(&a)) {
        e = message_list(s->p->store, ref, from, LIST_AT_ONCE, &a, &m, &n);
        if (e || !n) break;
        from = m[n - 1].uid + 1;
        listed += n;
        e = put_page(s, ref, m, n, box->name);
    }
    ar_free(&a);
    return e ? e : tell_missing(s, box, listed);
}

static int export_mailbox(struct port_sink *s, const struct mailbox *box)
{
    s->p->progress.mailbox = box->name;
    int e = s->begin(s, box);
    if (e) return port_failed(s->p, e, box->name);
    e = export_messages(s, box);
    int g = s->end(s);
    s->p->report->mailboxes += !e && !g;
    if (!e && g) e = port_failed(s->p, g, box->name);
    return e;
}

/* Those of mailboxes that are not on the list, for their rows are damaged; when nothing changed meanwhile. */
static int tell_hidden(struct porting *p, uint64_t modseq, uint64_t listed)
{
    struct account_usage u;
    uint64_t now = 0;
    int e = account_usage(p->store, p->acc, &u);
    if (!e) e = account_modseq(p->store, p->acc, &now);
    if (e || now != modseq || u.messages <= listed) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    p->report->failed += u.messages - listed;
    return port_problem(p, "%llu messages lie in mailboxes whose records are damaged; see tram verify",
                        (unsigned long long)(u.messages - listed));
}

static int export_all(struct porting *p, struct port_sink *s)
{
    struct mailbox *box;
    struct arena a;
    size_t n = 0;
    ar_init(&a, 0);
    uint64_t modseq;
    int e = account_modseq(p->store, p->acc, &modseq);
    if (!e) e = mailbox_list(p->store, p->acc, &a, &box, &n);
    for (size_t i = 0; !e && i < n; i++) p->progress.of += box[i].exists;
    if (!e) e = tell_hidden(p, modseq, p->progress.of);
    for (size_t i = 0; !e && i < n; i++) e = export_mailbox(s, &box[i]);
    p->progress.mailbox = SL("");
    ar_free(&a);
    return e;
}

int port_export(struct store *s, const char *acc, struct port_source to, const struct port_hear *hear,
                struct port_report *out)
{
    ASSERT(s && *acc && to.files);
    *out = (struct port_report){0};
    struct porting p = {.store = s, .acc = acc, .files = to.files, .hear = hear, .report = out};
    struct port_sink *sink;
    int e = to.form == PORT_MAILDIR ? export_maildir(&p, to.path, &sink) : export_mbox(&p, to.path, &sink);
    if (e) return e;
    e = export_all(&p, sink);
    if (to.form == PORT_MAILDIR) export_maildir_free(sink);
    else export_mbox_free(sink);
    int g = to.files->sync(to.files, to.path);
    return e ? e : g;
}
