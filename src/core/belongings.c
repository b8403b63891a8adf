/* belongings.c - the list of what an account has in rows that others have too (belongings.h). */
#include "belongings.h"

#include "base/log.h"
#include "directory/api_key.h"
#include "directory/sending_domain.h"
#include "person.h"
#include "send/inbound.h"
#include "send/webhook.h"
#include "source/source.h"
#include "store/store.h"

/* What is under way is dropped from the queue, what is over is forgotten. */
static int drop_sends(struct core *core, const struct account *acc)
{
    const struct person p = {.id = sl_cstr(acc->id), .address = acc->address};
    uint64_t gone, left;
    return person_end_sends(core, &p, &gone, &left);
}

static int drop_keys(struct core *core, const struct account *acc)
{
    return api_keys_forget(core->keys, acc->id);
}

struct hooks {
    struct arena a;
    struct slice name[WEBHOOKS_MAX];
    size_t n;
};

static int take_name(void *arg, const struct webhook *h)
{
    struct hooks *x = arg;
    x->name[x->n++] = ar_dup(&x->a, h->name);
    return x->n == COUNT_OF(x->name);
}

static int drop_webhooks(struct core *core, const struct account *acc)
{
    struct hooks x = {0};
    int e = webhook_each(core->sends, sl_cstr(acc->id), take_name, &x);
    if (e == 1) e = 0;
    for (size_t i = 0; !e && i < x.n; i++) {
        e = webhook_remove(core->sends, sl_cstr(acc->id), x.name[i]);
        if (e == ERR_NOT_FOUND) e = 0;
    }
    ar_free(&x.a);
    return e;
}

static int drop_inbound(struct core *core, const struct account *acc)
{
    return inbound_forget(core->sends, sl_cstr(acc->id));
}

static int drop_sending_domains(struct core *core, const struct account *acc)
{
    return sending_domains_forget(core->store->directory, acc->id);
}

static int drop_source(struct core *core, const struct account *acc)
{
    struct source_use use = {.by = SOURCE_ACCOUNT, .value = sl_cstr(acc->id)};
    int e = source_set_use(core->sources, &use);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int drop_rights(struct core *core, const struct account *acc)
{
    struct arena a = {0};
    struct slice *domain;
    size_t n;
    int e = 0;
    directory_domains(core->store->directory, &a, &domain, &n);
    for (size_t i = 0; !e && i < n; i++) {
        e = domain_admin_forget(core->store->directory, domain[i], acc->id);
        if (!err_is_damage(e))
            continue; /* ids are never used again: what is left there gives nobody a right */
        log_warn("account", "%.*s: whether it administers %.*s cannot be read: %s", SLF(acc->address),
                 SLF(domain[i]), err_text(e));
        e = 0;
    }
    ar_free(&a);
    return e;
}

int belongings_shut(struct core *core, const struct account *acc)
{
    int e = account_disable(core->store->directory, acc->address, true);
    if (!err_is_damage(e)) return e;
    log_warn("account", "%.*s cannot be disabled, for its row is damaged: %s", SLF(acc->address),
             err_text(e));
    return 0;
}

int belongings_drop(struct core *core, const struct account *acc)
{
    static int (*const drop[])(struct core * core, const struct account *acc) = {
        drop_keys, drop_sends, drop_webhooks, drop_inbound, drop_sending_domains, drop_source, drop_rights};
    int e = belongings_shut(core, acc);
    for (size_t i = 0; !e && i < COUNT_OF(drop); i++) e = drop[i](core, acc);
    return e;
}
