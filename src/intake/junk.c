/* junk.c - a letter from the world is judged by its words, as its recipient taught (junk/). */
#include "junk/junk.h"
#include "allowance/allowance.h"
#include "intake_i.h"
#include "mail/addr.h"
#include "store/store.h"

/* The account here that alone gets it, or NULL: then the node's corpus judges. */
static const char *only_account(const struct intake_letter *l)
{
    const char *one = NULL;
    for (size_t i = 0; i < l->nrcpt; i++) {
        if (!l->rcpt[i].route.local) continue;
        if (one) return NULL;
        one = l->rcpt[i].route.account;
    }
    return one;
}

static struct slice author_of(struct intake_letter *l)
{
    struct mail_addrs from;
    const struct mail_field *f = mail_head_find(&l->parsed, SL("From"), 0);
    if (!f || mail_addrs_parse(&l->a, f->body, &from) || !from.n) return SL("");
    return mail_addr_spec(&l->a, &from.v[0]);
}

/* Whom somebody writes to is no stranger to them, if it is proved that it is he. */
static bool is_correspondent(struct intake_letter *l, const char *account, struct slice author)
{
    enum allowance_known known = ALLOWANCE_FRESH;
    if (!account || !l->in->allowance || l->verdict.dmarc.code != DMARC_PASS) return false;
    return allowance_knows(l->in->allowance, account, author, &known) == 0 && known != ALLOWANCE_FRESH;
}

static void tell(struct intake_letter *l, const struct junk_verdict *v, bool known, struct slice author)
{
    bool junk = v->score >= l->in->junk_from;
    l->judged_by_words = ar_printf(&l->a, "%u of 100%s%.*s", v->score, v->words.n ? "; " : "", SLF(v->words));
    if (junk && known)
        l->why_junk = ar_printf(
            &l->a, "its words are those of junk, %.*s, but %.*s is somebody the recipient writes to",
            SLF(l->judged_by_words), SLF(printable(&l->a, author, 200)));
    else
        l->why_junk = ar_printf(&l->a, "its words are %s, %.*s",
                                junk ? "those of junk: it goes into Junk" : "not those of junk",
                                SLF(l->judged_by_words));
    l->junk_words = junk && !known;
}

void intake_judge_words(struct intake_letter *l)
{
    struct junk_verdict v;
    if (l->from.origin != INTAKE_STRANGER || !l->in->junk_from || !l->any_local) return;
    const char *account = only_account(l);
    struct slice author = author_of(l);
    struct junk_letter letter = {.subject = l->subject, .from = author, .text = SL("")};
    int e = junk_known(l->in->store->kv, account) ? 0 : ERR_NOT_FOUND;
    if (e) return;
    letter.text = intake_text(l);
    e = junk_judge(l->in->store->kv, account, &letter, &l->a, &v);
    if (e) log_warn("intake", "letter %s is not judged by its words: %s", l->id.s, err_text(e));
    else if (v.known)
        tell(l, &v, v.score >= l->in->junk_from && is_correspondent(l, account, author), author);
}
