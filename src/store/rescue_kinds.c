/* rescue_kinds.c - what becomes of each kind of object when the whole index is lost. docs/format.md has a
 * heading for each of them, and every heading a row here (care_test.c). */
#include "rescue_i.h"

/* An earlier row goes before a later one. */
static const struct object_kind kinds[] = {
    {"_acme", KIND_AS_IT_IS, NULL},
    {"_alert", KIND_MADE_AGAIN, NULL}, /* the next examination finds it */
    {"_audit", KIND_LOST, "what administrators and keys did (`tram audit`)"},
    {"_format", KIND_MADE_AGAIN, NULL},
    {"_full", KIND_LOST, "who was still to hear that an account is nearly full"},
    {"_guard", KIND_AS_IT_IS, NULL},
    {"_images", KIND_MADE_AGAIN, NULL},
    {"_keys", KIND_AS_IT_IS, NULL},
    {"_secret", KIND_AS_IT_IS, NULL},
    {"_sends", KIND_AS_IT_IS, NULL},
    {"_shared", KIND_AS_IT_IS, NULL},
    {"_senders", KIND_AS_IT_IS, NULL},
    {"_source", KIND_AS_IT_IS, NULL},
    {"_store", KIND_MADE_AGAIN, NULL},
    {"_sts", KIND_MADE_AGAIN, NULL}, /* fetched anew */
    {"d:", KIND_IMAGED, NULL},
    {"f:", KIND_MADE_AGAIN, NULL},
    {"j:", KIND_LOST, "what was learned about junk: it is judged anew once enough is learned"},
    {"m:", KIND_AS_IT_IS, "numbers of sends: what was counted"},
    {"n:", KIND_LOST,
     "what accounts had sent of their limits, whom they had written to, when app passwords were used last"},
    {"q:", KIND_IMAGED, NULL}, /* by the origins of bodies */
    {"r:in:", KIND_AS_IT_IS, NULL},
    {"r:", KIND_LOST, "what was counted for DMARC reports to others that were not sent yet"},
    {"rt:in:", KIND_AS_IT_IS, NULL},
    {"rt:", KIND_LOST, "what was counted for TLS reports to others that were not sent yet"},
    {"s:", KIND_IMAGED, NULL},
    {"t:", KIND_LOST, "the trace of letters (`tram trace`)"},
    {"u:", KIND_IMAGED, NULL},
    {"v:", KIND_LOST,
     "events of sends and letters, also those that webhooks were still to hear of; numbers do not count them "
     "any more"},
    {"x:", KIND_AS_IT_IS, NULL},
    {"y:", KIND_AS_IT_IS, NULL},
};

static bool is_of(const struct object_kind *k, struct slice object)
{
    struct slice name = sl_cstr(k->name);
    return name.p[0] == '_' ? sl_eq(object, name) : sl_starts(object, name);
}

const struct object_kind *object_kind(struct slice object)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (is_of(&kinds[i], object)) return &kinds[i];
    return NULL;
}

int object_kinds_each(int (*each)(void *arg, const struct object_kind *k), void *arg)
{
    int e = 0;
    for (size_t i = 0; e == 0 && i < COUNT_OF(kinds); i++) e = each(arg, &kinds[i]);
    return e;
}

struct losing {
    const struct rescue_report *report;
    void (*lost)(void *arg, const struct rescue_loss *l);
    void *arg;
};

static int lose(void *arg, const struct object_kind *k)
{
    struct losing *x = arg;
    bool some = k->fate == KIND_AS_IT_IS && k->lost && x->report->numbers;
    if (k->fate == KIND_LOST || some)
        x->lost(x->arg, &(struct rescue_loss){k->name, k->lost, some ? x->report->numbers : 0});
    return 0;
}

void rescue_losses(const struct rescue_report *report, void (*lost)(void *arg, const struct rescue_loss *l),
                   void *arg)
{
    (void)!object_kinds_each(lose, &(struct losing){report, lost, arg});
}
