/* full.c - mailboxes that are full, asked for each recipient (RFC 3463: 4.2.2, 5.2.2), and nearly full: the
 * owner gets a letter when a mark is passed, and no other before it is free again. */
#include <stdio.h>

#include "base/log.h"
#include "intake_i.h"
#include "kv/kv.h"
#include "mail/build.h"
#include "mail/encoded.h"
#include "store/quota.h"

enum { PAGE = 500, GIVE_UP_S = 7 * 86400 };
#define AGAIN (10 * 60 * RT_S) /* for letters that could not be taken */

/* ---- full ---- */

struct intake_refusal intake_over_quota(const struct intake *in, struct slice text)
{
    if (in->over_quota_is_final) return (struct intake_refusal){552, "5.2.2", ERR_QUOTA, text};
    return (struct intake_refusal){452, "4.2.2", ERR_QUOTA, text};
}

struct intake_refusal intake_full_rcpt(const struct intake_letter *l, struct slice address,
                                       const struct routes *routes, struct arena *a)
{
    if (l->from.origin == INTAKE_OURS) return (struct intake_refusal){0};
    for (size_t i = 0; i < routes->n; i++)
        if (!routes->v[i].local ||
            account_room(l->in->store, routes->v[i].account, l->size_said ? l->size_said : 1) != ERR_QUOTA)
            return (struct intake_refusal){0}; /* an error is told when the letter is there */
    return intake_over_quota(
        l->in, ar_printf(a, "The mailbox %.*s is full; its owner has to make room", SLF(address)));
}

/* ---- nearly full ---- */

static struct letter_id id_of(const struct quota_passed *p)
{
    struct letter_id id;
    uint64_t h = hash_stable(p->key, false) * 31 + p->modseq;
    int64_t when = p->when ? p->when : rt_wall_seconds() / 86400 * 86400; /* a damaged row tells none */
    letter_id_floor(&id, when * 1000000);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static unsigned percent(uint64_t n, uint64_t limit)
{
    double x = limit ? (double)n * 100 / (double)limit : 0;
    return x > 9999 ? 9999 : (unsigned)x;
}

/* What is nearly full: the account, or the mailboxes from this name on. */
struct nearly {
    struct account_usage u;
    struct slice tree; /* empty: the account */
};

static void put_usage(struct buf *b, const struct account_usage *u)
{
    if (u->quota_bytes)
        buf_printf(b, "    %llu of %llu megabytes\r\n", (unsigned long long)(u->bytes / 1000000),
                   (unsigned long long)(u->quota_bytes / 1000000));
    if (u->quota_messages)
        buf_printf(b, "    %llu of %llu messages\r\n", (unsigned long long)u->messages,
                   (unsigned long long)u->quota_messages);
}

static void put_advice(const struct intake *in, struct buf *b, bool account)
{
    if (account)
        buf_printf(b, "\r\nOnce it is full, letters to it are %s.\r\n",
                   in->over_quota_is_final ? "refused" : "turned away, at last for good");
    else buf_str(b, "\r\nOnce they are full, nothing can be put there any more.\r\n");
    buf_str(b, "Delete what is not needed any more, and empty the trash; or ask postmaster for\r\n"
               "more room. There is no other letter like this before there is room again");
}

static struct slice text_of(const struct intake *in, struct arena *a, const struct account *acc,
                            const struct nearly *full, const struct quota_passed *p)
{
    struct buf b = BUF_INIT;
    const struct account_usage *u = &full->u;
    unsigned bytes = percent(u->bytes, u->quota_bytes), count = percent(u->messages, u->quota_messages);
    int64_t now = rt_wall_seconds();
    mail_field(&b, SL("From"), ar_cat(a, SL("postmaster@"), acc->domain));
    mail_field(&b, SL("To"), acc->address);
    struct slice whose = SL("Your mailbox is");
    if (full->tree.n) whose = ar_printf(a, "The mailboxes \"%.*s\" are", SLF(utf8_cut(full->tree, 60)));
    struct slice subject = ar_printf(a, "%.*s %u %% full", SLF(whose), bytes > count ? bytes : count);
    mail_field(&b, SL("Subject"), mail_text_encode(a, subject));
    mail_date_field(&b, SL("Date"), now);
    mail_field(&b, SL("Message-ID"), mail_message_id(a, p->when, p->modseq, acc->domain));
    mail_field(&b, SL("Auto-Submitted"), SL("auto-generated")); /* RFC 3834 section 5 */
    mail_field(&b, SL("MIME-Version"), SL("1.0"));
    mail_field(&b, SL("Content-Type"), SL("text/plain; charset=utf-8"));
    mail_field(&b, SL("Content-Transfer-Encoding"), SL("8bit"));
    if (full->tree.n)
        buf_printf(&b, "\r\nYour mailbox \"%.*s\" is nearly full. With what is below it, it holds\r\n\r\n",
                   SLF(utf8_cut(full->tree, 200)));
    else buf_printf(&b, "\r\nThe mailbox %.*s is nearly full. It holds\r\n\r\n", SLF(acc->address));
    put_usage(&b, u);
    put_advice(in, &b, !full->tree.n);
    buf_str(&b, p->mark < QUOTA_MARK_LAST ? ", or\r\nit is nearly at its end.\r\n" : ".\r\n");
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* ERR_NOT_FOUND: that limit is not there any more. */
static int usage_of(const struct intake *in, const char *acc, const struct quota_passed *p, struct arena *a,
                    struct nearly *out)
{
    struct quota_tree *t;
    size_t n;
    *out = (struct nearly){0};
    if (!p->tree) return account_usage(in->store, acc, &out->u);
    int e = quota_trees(in->store, acc, SL(""), a, &t, &n);
    for (size_t i = 0; e == 0 && i < n; i++) {
        const struct quota_limits *l = &t[i].limit;
        if (quota_tree_id(t[i].name) != p->tree) continue;
        out->tree = t[i].name;
        out->u = (struct account_usage){.bytes = t[i].has.bytes, .messages = t[i].has.messages};
        if (l->bytes != QUOTA_NONE) out->u.quota_bytes = l->bytes;
        if (l->messages != QUOTA_NONE) out->u.quota_messages = l->messages;
        return 0;
    }
    return e ? e : ERR_NOT_FOUND;
}

/* 0: the owner was told, or need not be. */
static int tell(const struct intake *in, const struct account *acc, const struct quota_passed *p)
{
    struct nearly full;
    struct arena a = {0};
    int e = usage_of(in, acc->id, p, &a, &full);
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && quota_reached(&full.u, p->mark ? p->mark : QUOTA_MARK_FIRST)) {
        struct letter_own own = {.id = id_of(p),
                                 .to = acc->address,
                                 .text = text_of(in, &a, acc, &full, p),
                                 .what = SL("the notice that a mailbox is nearly full"),
                                 .smtputf8 = !is_ascii(acc->address)};
        e = in->take((void *)in, &own);
    }
    if (e && e != ERR_CANCELED)
        log_warn("intake", "%.*s cannot be told that the mailbox is nearly full: %s", SLF(acc->address),
                 err_text(e));
    ar_free(&a);
    return e == ERR_DENIED ? 0 : e;
}

struct telling {
    const struct intake *in;
    struct quota_passed *p; /* account empty: done */
    size_t n;
};

static void done(struct telling *t, struct quota_passed *p)
{
    int e = quota_passed_done(t->in->store, p);
    if (e) log_warn("intake", "who was told of a full mailbox cannot be noted: %s", err_text(e));
    p->account = SL("");
}

static int tell_one(struct telling *t, struct quota_passed *p, const struct account *acc)
{
    int e = tell(t->in, acc, p);
    if (e == ERR_CANCELED) return e;
    if (e == 0) done(t, p);
    else if (rt_wall_seconds() < p->when + GIVE_UP_S) p->account = SL("");
    return 0;
}

/* Those whose address is noted beside their mailboxes; *left: there are others. */
static int tell_known(struct telling *t, bool *left)
{
    struct arena a = {0};
    struct account acc;
    int e = 0;
    *left = false;
    for (size_t i = 0; !e && i < t->n; i++) {
        ar_reset(&a);
        e = account_owner(t->in->store, ar_cstr(&a, t->p[i].account), &a, &acc);
        if (!e) e = tell_one(t, &t->p[i], &acc);
        else if (e == ERR_NOT_FOUND) *left = true, e = 0;
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

/* Found by the walk; the next time by the note. */
static int tell_owner(void *arg, struct account *acc)
{
    struct telling *t = arg;
    bool noted = false;
    fiber_breathe();
    for (size_t i = 0; i < t->n; i++)
        if (t->p[i].account.n && sl_eq(t->p[i].account, sl_cstr(acc->id))) {
            int e = noted ? 0 : account_note_address(t->in->store, acc->id, acc->address);
            if (e) log_warn("intake", "the address of %s cannot be noted: %s", acc->id, err_text(e));
            noted = true;
            e = tell_one(t, &t->p[i], acc);
            if (e) return e;
        }
    return 0;
}

/* Rows have the ids of accounts. Who was renamed, or is older than the notes of addresses, is found by a walk
 * over all, once, and for many at once. What is left then is nobody's, or too old. */
static int tell_page(struct telling *t)
{
    bool left;
    int e = tell_known(t, &left);
    if (!e && left) e = account_each(t->in->store->directory, SL(""), tell_owner, t);
    for (size_t i = 0; !e && i < t->n; i++)
        if (t->p[i].account.n) done(t, &t->p[i]);
    return e;
}

static int tell_all(const struct intake *in)
{
    struct arena a = {0};
    struct telling t = {.in = in, .n = PAGE};
    char after[KV_KEY_MAX + 1] = "";
    int e = 0;
    while (!e && t.n == PAGE) {
        ar_reset(&a);
        e = quota_passed_list(in->store, sl_cstr(after), PAGE, &a, &t.p, &t.n);
        if (!e && t.n) snprintf(after, sizeof after, "%.*s", SLF(t.p[t.n - 1].key));
        if (!e) e = tell_page(&t);
    }
    ar_free(&a);
    return e;
}

struct ear {
    struct waitq news;
    bool look;
};

static void hear(void *arg)
{
    struct ear *r = arg;
    r->look = true;
    waitq_wake_all(&r->news);
}

void intake_full_keep(void *intake)
{
    const struct intake *in = intake;
    struct ear r;
    waitq_init(&r.news);
    struct kv_watch *w = quota_watch(in->store, hear, &r);
    while (!fiber_canceled()) {
        r.look = false;
        int e = tell_all(in);
        if (e && e != ERR_CANCELED)
            log_warn("intake", "owners of full mailboxes cannot be looked for: %s", err_text(e));
        int64_t before = deadline_narrow(DEADLINE_IN(AGAIN));
        if (!r.look) (void)waitq_wait(&r.news);
        deadline_restore(before);
    }
    kv_unwatch(&w);
}
