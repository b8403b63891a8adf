/* tell.c - the owner of an account and postmaster hear that one of its limits is reached: with a stolen
 * password that is the first that anybody sees of it. */
#include "base/log.h"
#include "intake_i.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "store/store.h"

enum { DAY_S = 86400 };

/* Always the same for the same account, day and reader: telling again makes no second letter. */
static struct letter_id name_of(struct slice who, struct slice to)
{
    struct letter_id id;
    int64_t day = rt_wall_seconds() / DAY_S * DAY_S;
    uint64_t h = hash_stable(who, false) * 31 + hash_stable(to, true);
    letter_id_floor(&id, day * 1000000);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

struct telling {
    const struct intake *in;
    struct arena *a;
    struct slice who, domain, what; /* the address that sends; of ours; what was reached */
};

static struct slice text_of(const struct telling *t, struct slice to)
{
    struct buf b = BUF_INIT;
    uint64_t chance;
    int64_t now = rt_wall_seconds();
    rt_random(&chance, sizeof chance);
    mail_field(&b, SL("From"), ar_cat(t->a, SL("postmaster@"), t->domain));
    mail_field(&b, SL("To"), to);
    mail_field(&b, SL("Subject"), ar_cat(t->a, SL("A sending limit is reached: "), t->who));
    mail_date_field(&b, SL("Date"), now);
    mail_field(&b, SL("Message-ID"), mail_message_id(t->a, now, chance, t->domain));
    mail_field(&b, SL("Auto-Submitted"), SL("auto-generated")); /* RFC 3834 section 5 */
    mail_field(&b, SL("MIME-Version"), SL("1.0"));
    mail_field(&b, SL("Content-Type"), SL("text/plain; charset=utf-8"));
    mail_field(&b, SL("Content-Transfer-Encoding"), SL("8bit"));
    buf_printf(&b,
               "\r\n%.*s wanted to send more than it may, and was told:\r\n\r\n"
               "    %.*s\r\n\r\n"
               "What was refused was not sent. Were these your letters, send them later, or ask\r\n"
               "postmaster for other limits (tram account set).\r\n\r\n"
               "Were they not, then somebody else knows the password: change it now (tram account\r\n"
               "passwd), which ends all sessions, and look at what was sent (tram trace).\r\n"
               "There is no second letter like this today.\r\n",
               SLF(t->who), SLF(t->what));
    struct slice out = ar_dup(t->a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static void tell(const struct telling *t, struct slice to)
{
    struct letter_own own = {.id = name_of(t->who, to),
                             .to = to,
                             .text = text_of(t, to),
                             .what = ar_cat(t->a, SL("the notice that a limit is reached by "), t->who),
                             .smtputf8 = !is_ascii(t->who)};
    int e = t->in->take((void *)t->in, &own);
    if (e)
        log_warn("intake", "%.*s cannot be told that %.*s has reached a limit: %s", SLF(to), SLF(t->who),
                 err_text(e));
}

/* Does postmaster's mail go to the account itself? */
static bool is_postmaster(const struct intake *in, struct arena *a, const struct account *acc)
{
    struct routes r;
    if (!acc || directory_resolve(in->store->directory, a, SL("postmaster"), acc->domain, &r)) return false;
    return r.result == RESOLVED && r.n == 1 && r.v->local && strcmp(r.v->account, acc->id) == 0;
}

void intake_limit_tell(const struct intake *in, const struct intake_from *from, struct slice what)
{
    struct arena a = {0};
    const struct account *acc = from->account;
    if (!in->take) return;
    struct telling t = {.in = in,
                        .a = &a,
                        .who = acc ? acc->address : mail_addr_join(&a, from->login, from->login_domain),
                        .domain = acc ? acc->domain : from->login_domain,
                        .what = what};
    log_warn("intake", "%.*s: %.*s", SLF(t.who), SLF(what));
    if (acc) tell(&t, acc->address);
    if (!is_postmaster(in, &a, acc)) tell(&t, ar_cat(&a, SL("postmaster@"), t.domain));
    ar_free(&a);
}
