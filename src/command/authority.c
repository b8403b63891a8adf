/* authority.c - may this be asked by who asks, and what is noted of it in the audit. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "cmd.h"
#include "core/core.h"
#include "directory/api_key.h"
#include "store/store.h"

static int domain_of(struct request *r, struct slice what, struct slice *out)
{
    struct slice local;
    if (sl_chr(what, '@') != SL_NONE) return address_split(r->a, what, &local, out);
    return domain_name(r->a, what, out);
}

/* What is not here is answered as what is somebody else's. */
int command_administers(struct request *r, struct slice name, bool *yes)
{
    struct directory *dir = r->core->store->directory;
    struct domain d;
    *yes = !r->admin;
    if (*yes) return 0;
    int e = domain_get(dir, r->a, name, &d);
    if (!e && d.alias_of.n) e = domain_get(dir, r->a, d.alias_of, &d);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    return domain_admin_is(dir, d.name, r->admin, yes);
}

static int is_of_node(void *arg, struct api_key *k)
{
    const struct account *acc = arg;
    return !k->damage.n && (k->scopes & SCOPE_ADMIN) && !strcmp(k->account, acc->id);
}

/* An account that may do more than who asks, here or in other domains, is not theirs to rename, lock out or
 * remove: its rights and its keys go with it. */
static int outranks(struct request *r, const struct account *acc, bool *yes)
{
    struct directory *dir = r->core->store->directory;
    struct slice *domain;
    size_t n;
    bool his = false, mine = false;
    int e = r->core->keys ? api_key_each(r->core->keys, is_of_node, (void *)acc) : 0;
    *yes = e == 1;
    if (e == 1) e = 0;
    directory_domains(dir, r->a, &domain, &n);
    for (size_t i = 0; !e && !*yes && i < n; i++) {
        e = domain_admin_is(dir, domain[i], acc->id, &his);
        if (!e && his) e = domain_admin_is(dir, domain[i], r->admin, &mine);
        *yes = !e && his && !mine;
    }
    return e;
}

static int may_touch(struct request *r, struct slice address)
{
    struct account acc;
    bool above = false;
    int e = account_get(r->core->store->directory, r->a, address, &acc);
    if (!e) e = outranks(r, &acc, &above);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (!above) return 0;
    return err_set(ERR_DENIED, "%.*s may do more than you: only who runs the node may do that",
                   SLF(printable(r->a, address, 100)));
}

static int may_of(const struct command *c, struct request *r, const char *arg)
{
    struct slice name, what = arg_slice(r->args, arg);
    bool yes;
    if (!what.n) return err_set(ERR_DENIED, "say of which domain: you administer some only");
    int e = domain_of(r, what, &name);
    if (!e) e = command_administers(r, name, &yes);
    if (!e && yes && !c->quiet && sl_chr(what, '@') != SL_NONE) e = may_touch(r, what);
    if (e || yes) return e;
    return err_set(ERR_DENIED, "you do not administer the domain %.*s", SLF(printable(r->a, name, 100)));
}

int command_may(const struct command *c, struct request *r)
{
    if (!r->admin) return 0;
    if (!c->of_domain) return err_set(ERR_DENIED, "only who runs the node may do that");
    int e = may_of(c, r, c->of_domain);
    return e || !c->of_domain_too ? e : may_of(c, r, c->of_domain_too);
}

/* Without what nobody should read. */
static struct slice words_of(struct arena *a, json_t *args)
{
    json_t *o = json_copy(args);
    json_object_del(o, "password");
    json_object_del(o, "json");
    char *text = json_object_size(o) ? json_dumps(o, JSON_COMPACT) : NULL;
    struct slice out = ar_dup(a, sl_cstr(text ? text : ""));
    wiped_free(text);
    json_decref(o);
    return out;
}

bool command_refusal_fits(struct request *r)
{
    if (!r->core->audit || audit_refusal_fits(r->core->audit)) return true;
    log_warn("audit", "%.*s is refused again; of so many refusals a day no more are noted", SLF(r->who));
    return false;
}

bool command_audit_begin(const struct command *c, struct request *r, struct audit_act *act,
                         char id[AUDIT_ID + 1])
{
    if (c->quiet || !r->core || !r->core->audit) return false;
    *act = (struct audit_act){.who = r->who.n ? r->who : SL("operator"),
                              .from = r->from,
                              .what = sl_cstr(c->name),
                              .words = words_of(r->a, r->args),
                              .status = AUDIT_BEGUN};
    int e = audit_begin(r->core->audit, act, id);
    /* A full disk must not keep an operator from making room. */
    if (e) log_error("audit", "%.*s: `%s` is not noted: %s", SLF(act->who), c->name, err_text(e));
    return !e;
}
