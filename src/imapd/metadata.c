/* metadata.c - GETMETADATA and SETMETADATA (RFC 5464), METADATA in LIST (RFC 9590), filters by name for
 * SEARCH (RFC 5466). */
#include <stdio.h>

#include "imapd_i.h"
#include "store/annotation.h"

enum {
    FILTERS_MAX = 20, /* that one SEARCH puts in, those within others included */
    FILTER_DEPTH = 5, /* inside one another */
};
#define FILTERS SL("/filters/values/")

/* ---- what is there ---- */

struct notes {
    struct annotation *v;
    size_t n;
};

/* box 0: the server, whose shared entries are ours. */
static int read_notes(struct imapd_session *s, struct mailbox_ref box, struct notes *out)
{
    int e = annotation_list(s->server->conf.store, box, s->account, &s->a, &out->v, &out->n);
    if (e || box.box) return e;
    struct annotation *v = ar_array(&s->a, struct annotation, out->n + 1);
    struct slice address = sl_cstr(s->address);
    v[0].name = SL("/shared/admin"); /* RFC 5464 section 6.2.2 */
    v[0].value = ar_cat(&s->a, SL("mailto:postmaster"), sl_from(address, sl_rchr(address, '@')));
    if (out->n) memcpy(v + 1, out->v, out->n * sizeof *v);
    out->v = v;
    out->n++;
    return 0;
}

/* Is the entry asked for: itself, or not more than depth levels below? */
static bool asked_for(struct slice name, struct slice entry, int depth)
{
    int levels = 0;
    if (!sl_starts(name, entry) || (name.n > entry.n && name.p[entry.n] != '/')) return false;
    for (size_t i = entry.n; i < name.n; i++) levels += name.p[i] == '/';
    return levels <= depth;
}

static bool any_asks(const struct imap_entries *entries, struct slice name, int depth)
{
    for (size_t i = 0; i < entries->n; i++)
        if (asked_for(name, entries->entry[i], depth)) return true;
    return false;
}

static bool is_there(const struct notes *notes, struct slice name)
{
    for (size_t i = 0; i < notes->n; i++)
        if (sl_eq(notes->v[i].name, name)) return true;
    return false;
}

/* ---- telling ---- */

static void put_entry(struct imapd_session *s, size_t begin, struct slice name, struct slice value)
{
    if (s->out.n > begin) buf_char(&s->out, ' ');
    imap_put_astring(&s->out, name, false);
    buf_char(&s->out, ' ');
    imap_put_nstring8(&s->out, value);
}

/* The entries with their values; *longest: of those that are too long to be told. */
static void put_entries(struct imapd_session *s, const struct notes *notes, const struct imap_metadata *m,
                        uint64_t *longest)
{
    size_t begin = s->out.n;
    for (size_t i = 0; i < notes->n; i++) {
        const struct annotation *t = &notes->v[i];
        if (!any_asks(&m->entries, t->name, m->depth)) continue;
        if (!m->limited || t->value.n <= m->maxsize) put_entry(s, begin, t->name, t->value);
        else if (t->value.n > *longest) *longest = t->value.n;
    }
    for (size_t i = 0; i < m->entries.n && !m->depth; i++)
        if (!is_there(notes, m->entries.entry[i]))
            put_entry(s, begin, m->entries.entry[i], (struct slice){0});
}

static void tell_entries(struct imapd_session *s, struct slice mailbox, const struct notes *notes,
                         const struct imap_metadata *m, uint64_t *longest)
{
    buf_str(&s->out, "* METADATA ");
    imap_put_mailbox(&s->out, mailbox, s->utf8);
    buf_str(&s->out, " (");
    size_t begin = s->out.n;
    put_entries(s, notes, m, longest);
    if (s->out.n == begin) { /* nothing to tell */
        buf_clear(&s->out);
        return;
    }
    buf_str(&s->out, ")\r\n");
    imapd_flush(s);
}

int imapd_list_metadata(struct imapd_session *s, const char *account, const struct mailbox *box,
                        struct slice shown, const struct imap_entries *entries)
{
    struct imap_metadata m = {.entries = *entries};
    struct notes notes;
    uint64_t longest = 0;
    int e = read_notes(s, (struct mailbox_ref){.account = account, .box = box->id}, &notes);
    if (!e) tell_entries(s, shown, &notes, &m, &longest);
    return e;
}

/* In the form that names have; the roots are none, but stand above them. */
int imapd_clean_entries(struct imapd_session *s, struct imap_entries *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        struct slice *name = &entries->entry[i];
        if (sl_eqi(*name, SL("/shared"))) *name = SL("/shared");
        else if (sl_eqi(*name, SL("/private"))) *name = SL("/private");
        else if (annotation_name(&s->a, *name, name) != 0) return ERR_SYNTAX;
    }
    return 0;
}

/* ---- the commands ---- */

/* Without a name: the server, as box 0 of the client's account. */
static int find_box(struct imapd_session *s, struct slice name, unsigned need, struct imapd_place *out)
{
    struct slice rest;
    if (name.n) return imapd_find(s, name, need, out);
    return imapd_owner(s, name, out, &rest);
}

void imapd_cmd_getmetadata(struct imapd_session *s, struct imap_in *in)
{
    struct notes notes = {0};
    struct imapd_place p;
    uint64_t longest = 0;
    imap_sp(in);
    struct imap_metadata m = imap_getmetadata_args(in);
    if (imapd_args_bad(s, in)) return;
    int e = imapd_clean_entries(s, &m.entries);
    if (e) {
        imapd_bad(s, "%s", err_text(e));
        return;
    }
    e = find_box(s, m.mailbox, ACL_READ, &p);
    if (!e) e = read_notes(s, (struct mailbox_ref){.account = p.account, .box = p.m.id}, &notes);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    tell_entries(s, p.shown, &notes, &m, &longest);
    const char *code = NULL;
    if (longest)
        code = ar_cstr(&s->a, ar_printf(&s->a, "METADATA LONGENTRIES %llu", (unsigned long long)longest));
    imapd_ok(s, code, "these are the entries");
}

/* Is the value a filter that a SEARCH can use (RFC 5466 section 3.2)? */
static int check_filter(struct imapd_session *s, const struct annotation *v)
{
    struct imap_search_args keys = {0};
    struct imap_in in;
    if (!v->value.p || !sl_starts(v->name, SL("/private/filters/values/"))) return 0;
    in = imapd_in(s, &s->a, v->value);
    imap_search_keys(&in, &keys);
    return imap_done(&in);
}

static void answer_set(struct imapd_session *s, int e)
{
    char code[40];
    snprintf(code, sizeof code, "METADATA MAXSIZE %d", ANNOTATION_VALUE_MAX);
    if (e == ERR_TOO_LONG) imapd_no(s, code, "%s", err_text(e));
    else if (e == ERR_LIMIT) imapd_no(s, "METADATA TOOMANY", "%s", err_text(e));
    else if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, "kept");
}

/* Into v, which is as long. An error: the entry cannot have such a name, which is BAD (RFC 5464 section 3.2).
 */
static int take_entries(struct imapd_session *s, const struct imap_entries *entries, struct annotation *v)
{
    int e = 0;
    for (size_t i = 0; i < entries->n && !e; i++) {
        v[i].value = entries->value[i];
        e = annotation_name(&s->a, entries->entry[i], &v[i].name);
    }
    return e;
}

void imapd_cmd_setmetadata(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_place p;
    imap_sp(in);
    struct imap_metadata m = imap_setmetadata_args(in);
    if (imapd_args_bad(s, in)) return;
    struct annotation *v = ar_array(&s->a, struct annotation, m.entries.n);
    unsigned need = ACL_READ;
    int e = take_entries(s, &m.entries, v);
    if (e) {
        imapd_bad(s, "%s", err_text(e));
        return;
    }
    e = find_box(s, m.mailbox, need, &p);
    for (size_t i = 0; i < m.entries.n && !e; i++) {
        if (!p.m.id && !sl_starts(v[i].name, SL("/private/")))
            e = err_set(ERR_DENIED, "what all see of the server is the operator's to say");
        if (!e && !p.m.id) e = check_filter(s, &v[i]);
        if (!e && sl_starts(v[i].name, SL("/shared/"))) need |= ACL_WRITE;
    }
    if (!e) e = acl_allow(p.rights, need);
    if (!e)
        e = annotation_set(s->server->conf.store, imapd_acting(s, p.account, p.m.id, need), s->account, v,
                           m.entries.n);
    answer_set(s, e);
}

/* ---- filters ---- */

struct filling {
    struct imapd_session *s;
    struct notes notes;
    size_t filled;
    struct imap_search_args *args;
};

static int undefined(struct imapd_session *s, struct slice name)
{
    imapd_no(s, ar_cstr(&s->a, ar_printf(&s->a, "UNDEFINED-FILTER %.*s", SLF(name))),
             "there is no such filter, or it cannot be used");
    return ERR_NOT_FOUND;
}

static const struct annotation *find_filter(struct filling *x, struct slice name)
{
    for (size_t i = 0; i < x->notes.n; i++) {
        struct slice rest = x->notes.v[i].name;
        if (!sl_starts(rest, SL("/private")) || !sl_starts(sl_from(rest, 8), FILTERS)) continue;
        if (sl_eqi(sl_from(rest, 8 + FILTERS.n), name)) return &x->notes.v[i];
    }
    return NULL;
}

static int fill_in(struct filling *x, struct imap_search *k, int depth);

/* The keys of the filter in the place of its name. */
static int fill_one(struct filling *x, struct imap_search *k, int depth)
{
    struct imap_search_args inner = {0};
    struct imap_in in;
    const struct annotation *t = find_filter(x, k->text);
    if (!t || depth == FILTER_DEPTH || x->filled++ == FILTERS_MAX) return undefined(x->s, k->text);
    in = imapd_in(x->s, &x->s->a, t->value);
    imap_search_keys(&in, &inner);
    if (imap_done(&in) != 0) return undefined(x->s, k->text);
    x->args->modseq |= inner.modseq;
    x->args->numbers |= inner.numbers;
    k->key = IMAP_KEY_AND;
    k->child = inner.key;
    return fill_in(x, k->child, depth + 1);
}

static int fill_in(struct filling *x, struct imap_search *k, int depth)
{
    int e = 0;
    for (; k && !e; k = k->next) {
        if (k->key == IMAP_KEY_FILTER) e = fill_one(x, k, depth);
        else if (k->child) e = fill_in(x, k->child, depth);
    }
    return e;
}

bool imapd_fill_filters(struct imapd_session *s, struct imap_search_args *args)
{
    struct filling x = {.s = s, .args = args};
    if (!args->filters) return true;
    if (args->charset.n && !sl_eqi(args->charset, SL("UTF-8")) && !sl_eqi(args->charset, SL("US-ASCII"))) {
        imapd_bad_code(s, "BADCHARSET (UTF-8 US-ASCII)", "filters are in UTF-8");
        return false;
    }
    int e = read_notes(s, (struct mailbox_ref){.account = s->account, .box = 0}, &x.notes);
    if (e) imapd_failed(s, e);
    return !e && fill_in(&x, args->key, 0) == 0;
}
