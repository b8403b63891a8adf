/* annotate.c - annotations of messages (RFC 5257): what FETCH tells, STORE and APPEND set, SEARCH and SORT
 * ask for. They lie in store/remark.h. */
#include "imapd_i.h"
#include "store/remark.h"

/* ---- setting ---- */

static unsigned rights_for(const struct imap_annotations *v)
{
    unsigned need = 0;
    for (size_t i = 0; i < v->n; i++) need |= v->v[i].shared ? ACL_ANNOTATE : ACL_READ;
    return need;
}

static struct remark *remarks_of(struct imapd_session *s, const struct imap_annotations *v)
{
    struct remark *r = ar_array(&s->a, struct remark, v->n);
    for (size_t i = 0; i < v->n; i++)
        r[i] = (struct remark){.entry = v->v[i].entry, .shared = v->v[i].shared, .value = v->v[i].value};
    return r;
}

static bool of_parts(const struct imap_annotations *v)
{
    struct slice part;
    for (size_t i = 0; i < v->n; i++)
        if (imap_entry_part(v->v[i].entry, &part)) return true;
    return false;
}

static int check_parts(struct imapd_session *s, const struct imap_annotations *v,
                       const struct imapd_picked *p)
{
    int e = 0;
    for (size_t k = 0; of_parts(v) && k < p->n && !e && !conn_error(s->c); k++) {
        struct reader *rd;
        e = imapd_reader(s, p->uid[k], NULL, &rd);
        if (!e) e = imapd_annotated_parts(rd, v);
        if (e == ERR_NOT_FOUND) e = 0; /* it is gone */
        fiber_breathe();
    }
    return e;
}

bool imapd_may_annotate(struct imapd_session *s, const struct imap_annotations *v,
                        const struct imapd_picked *p)
{
    int e = acl_allow(s->rights, rights_for(v));
    if (!e) e = check_parts(s, v, p);
    if (e == ERR_SYNTAX) imapd_bad(s, "%s", err_text(e));
    else if (e) imapd_failed(s, e);
    return !e;
}

int imapd_annotate(struct imapd_session *s, const struct imap_store *args, const struct imapd_picked *p,
                   struct uids *failed)
{
    const struct imap_annotations *v = &args->annotations;
    struct remark_change change = {
        .user = s->account, .v = remarks_of(s, v), .n = v->n, .unchanged_since = args->unchanged_since};
    if (args->conditional && !args->unchanged_since) { /* 0 is older than every message */
        *failed = (struct uids){p->uid, p->n};
        return 0;
    }
    return remark_set(s->server->conf.store, imapd_acting(s, s->view->acc, s->view->box, rights_for(v)),
                      (struct uids){p->uid, p->n}, &change, &s->a, failed);
}

void imapd_annotate_failed(struct imapd_session *s, int e)
{
    if (e == ERR_TOO_LONG) imapd_no(s, "ANNOTATE TOOBIG", "%s", err_text(e));
    else if (e == ERR_LIMIT) imapd_no(s, "ANNOTATE TOOMANY", "%s", err_text(e));
    else imapd_failed(s, e);
}

int imapd_annotations_new(struct imapd_session *s, const struct imap_annotations *v, unsigned rights,
                          struct slice *out)
{
    *out = SL("");
    if (!v->n) return 0;
    int e = acl_allow(rights, rights_for(v));
    return e ? e : remark_pack(&s->a, s->account, remarks_of(s, v), v->n, out);
}
