/* multisearch.c - ESEARCH: one search over several mailboxes (RFC 7377). Each is looked at in the place of
 * the selected one, which comes back untouched. */
#include "imapd_i.h"
#include "reader/reader.h"

/* What the session knows of the selected mailbox. */
struct selected {
    struct view *view;
    char *owner;
    unsigned rights;
    struct slice *keyword;
    size_t nkeywords;
    uint32_t names;
    struct imapd_recent recent;
    size_t told;
    struct reader *reader;
    struct arena box, a;
};

static void put_aside(struct imapd_session *s, struct selected *was)
{
    *was = (struct selected){s->view,   s->owner, s->rights, s->keyword, s->nkeywords, s->names,
                             s->recent, s->told,  s->reader, s->box,     s->a};
    ar_init(&s->a, IMAPD_MEMORY);
    s->view = NULL;
    s->owner = NULL;
    s->keyword = NULL;
    s->nkeywords = s->told = 0;
    s->recent.n = 0;
    s->reader = NULL;
    s->box = (struct arena){0};
}

static void bring_back(struct imapd_session *s, const struct selected *was)
{
    reader_close(&s->reader);
    if (s->view) view_close(&s->view);
    ar_free(&s->box);
    s->view = was->view;
    s->owner = was->owner;
    s->rights = was->rights;
    s->keyword = was->keyword;
    s->nkeywords = was->nkeywords;
    s->names = was->names;
    s->recent = was->recent;
    s->told = was->told;
    s->reader = was->reader;
    s->box = was->box;
    ar_free(&s->a);
    s->a = was->a;
}

/* ---- one mailbox ---- */

static void tell_results(struct imapd_session *s, struct slice name, uint32_t uidvalidity,
                         const struct imap_search_args *args, const struct imapd_found *f)
{
    if (!f->n) return;
    buf_str(&s->out, "* ESEARCH (TAG ");
    imap_put_string(&s->out, s->tag, false);
    buf_str(&s->out, " MAILBOX ");
    imap_put_mailbox(&s->out, name, s->utf8);
    buf_printf(&s->out, " UIDVALIDITY %u) UID", uidvalidity);
    imapd_put_results(s, args, f);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

/* The keys are parsed anew for each mailbox: searching changes them. */
static int search_box(struct imapd_session *s, const struct imapd_visible *x, struct imap_in in)
{
    struct selected was;
    struct imapd_found found;
    put_aside(s, &was);
    struct imap_esearch_args args = imap_esearch_args(&in);
    int e = imap_done(&in);
    if (!e) e = view_open_as(&s->view, s->server->conf.store, x->account, x->m->id, s->account);
    if (!e) {
        s->rights = x->rights;
        s->told = s->view->n;
        imapd_reload_keywords(s);
        e = imapd_fill_filters(s, &args.search) ? imapd_search_run(s, &args.search, 0, &found) : ERR_CANCELED;
    }
    if (!e) tell_results(s, x->shown, s->view->uidvalidity, &args.search, &found);
    bring_back(s, &was);
    return e == ERR_NOT_FOUND ? 0 : e; /* it was deleted meanwhile */
}

/* ---- which ---- */

/* Where the right to read is missing nothing is looked for (section 2.1). */
static bool wanted(const struct imapd_session *s, const struct imap_esearch_args *args,
                   const struct imapd_visible *x)
{
    for (size_t i = 0; i < args->n && x->rights & ACL_READ; i++)
        if (imapd_boxes_have(s, &args->in[i], x)) return true;
    return false;
}

static bool reaches(const void *arg, struct slice root)
{
    const struct imap_esearch_args *args = arg;
    for (size_t i = 0; i < args->n; i++)
        if (imapd_boxes_reach(&args->in[i], root)) return true;
    return false;
}

/* All that may be meant. */
static int gather(struct imapd_session *s, const struct imap_esearch_args *args, struct imapd_visible **out,
                  size_t *n)
{
    struct acl_owner *o = NULL;
    size_t owners = 0;
    bool elsewhere = false;
    int e = 0;
    for (size_t i = 0; i < args->n && !e; i++) e = imapd_boxes_elsewhere(s, &args->in[i], &elsewhere);
    if (!e && elsewhere) e = imapd_others(s, reaches, args, &o, &owners);
    return e ? e : imapd_visible(s, o, owners, IMAPD_NAMES_MAX, out, n);
}

/* What a search of several mailboxes cannot mean (section 2.2). */
static const char *senseless(const struct imapd_session *s, const struct imap_esearch_args *args)
{
    bool selected = !args->n, other = false;
    for (size_t i = 0; i < args->n; i++) {
        if (args->in[i].kind == IMAP_BOXES_SELECTED_DELAYED) return "selected-delayed is for NOTIFY";
        if (args->in[i].kind == IMAP_BOXES_SELECTED) selected = true;
        else other = true;
    }
    if (selected && !s->view) return "no mailbox is selected";
    if (other && args->search.wants & (IMAP_RETURN_SAVE | IMAP_RETURN_UPDATE))
        return "SAVE and UPDATE go with the selected mailbox only";
    if (other && (args->search.numbers || args->search.saved))
        return "sequence numbers and $ mean messages of the selected mailbox only";
    return NULL;
}

/* The selected mailbox alone: what UID SEARCH does, with another answer. */
static void search_selected(struct imapd_session *s, struct imap_esearch_args *args, struct slice text)
{
    struct mailbox m = {0};
    struct imapd_found found;
    s->uid = true;
    int e = imapd_rights_now(s);
    if (e && !s->over) imapd_failed(s, e);
    if (e || !imapd_search(s, &args->search, &found)) return;
    if (mailbox_get(s->server->conf.store, s->view->acc, s->view->box, &s->a, &m) == 0) {
        if (s->owner) m.name = imapd_foreign_name(s, sl_cstr(s->owner), m.name);
        if (args->search.wants & IMAP_RETURN_SAVE) imapd_save_found(s, &args->search, &found);
        if (args->search.wants != IMAP_RETURN_SAVE) /* RFC 5182 section 2.1 */
            tell_results(s, m.name, s->view->uidvalidity, &args->search, &found);
    }
    imapd_context_begin(s, &args->search, text, NULL, &found);
    imapd_searched(s, &found, "searched");
}

static bool only_selected(const struct imap_esearch_args *args)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->in[i].kind != IMAP_BOXES_SELECTED) return false;
    return true;
}

void imapd_cmd_esearch(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_visible *box;
    size_t n = 0;
    imap_sp(in);
    struct imap_in again = *in;
    struct imap_esearch_args args = imap_esearch_args(in);
    const char *why = in->code ? NULL : senseless(s, &args);
    if (imapd_args_bad(s, in)) return;
    if (why) {
        imapd_bad(s, "%s", why);
        return;
    }
    if (only_selected(&args)) {
        struct slice text = sl_from(in->s, again.at);
        search_selected(s, &args, args.n ? sl_from(text, sl_find(text, SL(") ")) + 2) : text);
        return;
    }
    if (imapd_search_refused(s, &args.search)) return;
    int e = gather(s, &args, &box, &n);
    for (size_t i = 0; i < n && !e && !conn_error(s->c); i++) {
        if (!wanted(s, &args, &box[i])) continue;
        e = search_box(s, &box[i], again);
        imapd_progress(s, i, n);
    }
    if (e && e != ERR_CANCELED) imapd_failed(s, e);
    else if (!e) imapd_ok(s, NULL, "searched");
}
