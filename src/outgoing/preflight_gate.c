/* preflight_gate.c - letters for the world meet the preflight and the policy; see preflight_gate.h. */
#include "preflight_gate.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "dns/dns.h"
#include "mail/submit.h"
#include "preflight.h"
#include "signing.h"
#include "trace/letter_id.h"

enum { SENTENCE_MAX = 300 }; /* it is told in an SMTP reply */

struct preflight_gate {
    struct preflight_gate_conf conf;
    struct preflight_cache *cache;
};

struct preflight_gate *preflight_gate_new(const struct preflight_gate_conf *conf)
{
    struct preflight_gate *g = xcalloc(1, sizeof *g);
    g->conf = *conf;
    g->cache = preflight_cache_new(0);
    return g;
}

void preflight_gate_free(struct preflight_gate **g)
{
    if (!*g) return;
    preflight_cache_free(&(*g)->cache);
    free(*g);
    *g = NULL;
}

/* The domain that signs, and the one author domain, which is empty when there are several; A-labels. */
static void authors(struct arena *a, const struct mail_head *head, struct slice *signs, struct slice *author)
{
    struct mail_addrs from = {0};
    bool one = mail_from_check(a, head, &from) == 0;
    *signs = *author = (struct slice){0};
    if (!from.n || dns_to_ascii(a, from.v[0].domain, signs)) return;
    if (one) *author = *signs;
}

static int look(struct preflight_gate *g, struct arena *a, struct slice sender, const struct mail_head *head,
                struct preflight_result *out)
{
    struct slice signs, author;
    struct signing_keys keys;
    struct preflight_key key[SIGNING_KEYS_MAX];
    authors(a, head, &signs, &author);
    int e = signing_keys(g->conf.signing, a, signs, &keys);
    for (size_t i = 0; !e && i < keys.n; i++)
        key[i] = (struct preflight_key){keys.domain, keys.selector[i], keys.key[i]};
    struct preflight_query q = {.ip = g->conf.source,
                                .helo = g->conf.helo,
                                .mail_from = sender,
                                .author = author,
                                .key = key,
                                .nkey = keys.n};
    int64_t before = deadline_narrow(DEADLINE_IN(PREFLIGHT_GATE_SECONDS * RT_S));
    if (!e) e = preflight_cached(g->cache, g->conf.dns, a, &q, out);
    deadline_restore(before);
    signing_keys_end(&keys);
    return e;
}

/* For the operator. The log hears of it when it was found out, not again for each letter. */
static struct slice tell(struct arena *a, const struct letter_id *id, const struct preflight_result *r,
                         struct slice sentence)
{
    const char *publish = r->line.n ? "; publish: " : "";
    if (!r->remembered)
        log_warn("preflight", "letters like %s will be refused by strict receivers: %.*s%s%.*s", id->s,
                 SLF(sentence), publish, SLF(r->line));
    return ar_printf(a, "preflight: strict receivers would refuse it: %.*s%s%.*s", SLF(sentence), publish,
                     SLF(r->line));
}

int preflight_gate(struct preflight_gate *g, struct arena *a, const struct letter_id *id, struct slice sender,
                   const struct mail_head *head, struct slice *hold, struct slice *found)
{
    struct preflight_result r;
    *hold = *found = (struct slice){0};
    if (g->conf.policy == PREFLIGHT_OFF) return 0;
    int e = look(g, a, sender, head, &r);
    if (e || r.verdict != PREFLIGHT_WRONG) return e;
    struct slice sentence = printable(a, r.sentence, SENTENCE_MAX);
    *found = tell(a, id, &r, sentence);
    if (g->conf.policy == PREFLIGHT_HOLD)
        *hold = ar_printf(a, "strict receivers would refuse it: %.*s", SLF(sentence));
    if (g->conf.policy != PREFLIGHT_REFUSE) return 0;
    return err_set(ERR_DENIED,
                   "The world must refuse this letter as things stand: %.*s. Tell your administrator",
                   SLF(sentence));
}
