/* learn.c - what is moved into Junk and out of it, marked $Junk and $NotJunk, or answered teaches what junk
 * is (junk/). */
#include "base/log.h"
#include "base/text.h"
#include "imapd_i.h"
#include "junk/junk.h"
#include "mail/addr.h"
#include "mail/encoded.h"
#include "mail/head.h"
#include "mail/texts.h"

enum {
    LEARN_MAX = 50,           /* messages of one command */
    LEARN_BYTES = 256 * 1024, /* of a message that are looked into */
    LEARN_TEXT = 128 * 1024,
};

static struct slice author_of(struct arena *a, const struct mail_head *head)
{
    struct mail_addrs from;
    const struct mail_field *f = mail_head_find(head, SL("From"), 0);
    if (!f || mail_addrs_parse(a, f->body, &from) || !from.n) return SL("");
    return mail_addr_spec(a, &from.v[0]);
}

static int learn_one(struct imapd_session *s, struct arena *a, struct mailbox_ref box, uint32_t uid,
                     bool junk)
{
    struct store *store = s->server->conf.store;
    struct message m;
    struct mail_head head;
    struct slice bytes;
    int e = message_get(store, box, uid, &m);
    if (!e) e = body_get(store->body, &m.body, LEARN_BYTES, a, &bytes);
    if (!e) e = mail_head_parse(a, bytes, &head);
    if (e) return e;
    struct slice subject = mail_words_decode(a, mail_head_get(a, &head, SL("Subject"), NULL));
    struct junk_letter l = {.subject = utf8_cut(subject, LIMIT_SUBJECT),
                            .from = author_of(a, &head),
                            .text = mail_texts(a, bytes, LEARN_TEXT),
                            .name = sl_cstr(m.email_id)};
    return junk_learn(store->kv, s->account, &l, junk);
}

/* The command was done, whatever comes of this: a failure is for the log only. */
static void learn(struct imapd_session *s, struct mailbox_ref box, const uint32_t *uid, size_t n, bool junk)
{
    for (size_t i = 0; i < n && i < LEARN_MAX; i++) {
        struct arena a = {0};
        int e = learn_one(s, &a, box, uid[i], junk);
        if (e) log_info("imapd", "message %u teaches nothing: %s", uid[i], err_text(e));
        ar_free(&a);
        fiber_breathe();
    }
}

/* What others share is theirs to judge. */
static bool is_own(const struct imapd_session *s) { return strcmp(s->view->acc, s->account) == 0; }

/* Who cannot tell looks as if it were: nothing is learned then. */
static bool in_junk(struct imapd_session *s)
{
    struct mailbox m;
    int e = mailbox_get(s->server->conf.store, s->account, imapd_box(s).box, &s->a, &m);
    return e || m.use & USE_JUNK;
}

void imapd_learn_moved(struct imapd_session *s, const struct mailbox *to, const struct message_copied *c)
{
    struct mailbox from;
    struct mailbox_ref there = {.account = s->account, .box = to->id};
    if (!c->n || !is_own(s) || mailbox_get(s->server->conf.store, s->account, imapd_box(s).box, &s->a, &from))
        return;
    bool was = from.use & USE_JUNK, is = to->use & USE_JUNK;
    if (is && !was) learn(s, there, c->to, c->n, true);
    if (was && !is && !(to->use & USE_TRASH))
        learn(s, there, c->to, c->n, false); /* junk that is thrown away is junk */
}

/* Junk is answered by nobody. Without that only people whose good letters went astray would ever teach what a
 * good one is. */
void imapd_learn_marked(struct imapd_session *s, const struct imap_flags *f, const uint32_t *uid, size_t n)
{
    bool said = false;
    for (size_t i = 0; is_own(s) && i < f->n; i++) {
        bool junk = sl_eqi(f->keyword[i], SL("$Junk"));
        if (!junk && !sl_eqi(f->keyword[i], SL("$NotJunk"))) continue;
        learn(s, imapd_box(s), uid, n, junk);
        said = true;
    }
    if (!said && is_own(s) && (f->system & IMAP_ANSWERED) && !in_junk(s))
        learn(s, imapd_box(s), uid, n, false);
}
