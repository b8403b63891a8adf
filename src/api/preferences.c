/* preferences.c - the page behind a link to leave that shows the groups of an account: what still comes to an
 * address, and a form that changes it. Only its POST acts. */
#include "preferences.h"

#include "base/text.h"
#include "core/core.h"
#include "page.h"
#include "send/send_group.h"
#include "send/suppression.h"

enum word { TITLE, ASK, NONE, SAVE, SAVED, LATER, WORDS };
static const char *const words[PAGE_LANGUAGES][WORDS] = {
    [PAGE_EN] = {"Your letters", "Which letters may come to this address?", "None of these letters at all",
                 "Save", "It is saved.", "This cannot be done at the moment. Please try again in a minute."},
    [PAGE_VI] = {"Thư của bạn", "Địa chỉ này muốn nhận những thư nào?", "Không nhận bất kỳ thư nào", "Lưu",
                 "Đã lưu.", "Hiện chưa thực hiện được. Vui lòng thử lại sau một phút."},
};

/* What an address gets of an account. */
struct choice {
    struct sends *s;
    const struct unsubscribe *u;
    struct send_group *group;
    struct suppression_entry *entry;
    size_t ngroups, nentries;
};

static int look(struct http_call *c, const struct unsubscribe *u, struct choice *out)
{
    *out = (struct choice){.s = api_of(c)->core->sends, .u = u};
    int e = send_group_list(out->s, u->account, c->a, &out->group, &out->ngroups);
    return e ? e : suppression_get(out->s, u->account, u->address, c->a, &out->entry, &out->nentries);
}

/* group 0: all. */
static bool has_left(const struct choice *x, uint32_t group)
{
    enum send_reason reason = group ? SEND_OUT_LEFT_GROUP : SEND_OUT_UNSUBSCRIBED;
    for (size_t i = 0; i < x->nentries; i++)
        if (x->entry[i].reason == reason && x->entry[i].group == group) return true;
    return false;
}

/* ---- the page ---- */

static void put_group(struct buf *b, const struct send_group *g, bool comes)
{
    buf_printf(b, "<label><input type=\"checkbox\" name=\"comes\" value=\"%u\"%s>", g->id,
               comes ? " checked" : "");
    page_text(b, g->name);
    if (g->description.n) {
        buf_str(b, "<small>");
        page_text(b, g->description);
        buf_str(b, "</small>");
    }
    buf_printf(b, "</label><input type=\"hidden\" name=\"shown\" value=\"%u\">", g->id);
}

static void put_form(struct buf *b, const struct choice *x, const char *const *w)
{
    buf_str(b, "<p><b>");
    page_text(b, x->u->address);
    buf_str(b, "</b></p><form method=\"post\">");
    for (size_t i = 0; i < x->ngroups; i++) /* one without a name says nothing to a recipient */
        if (!x->group[i].damaged) put_group(b, &x->group[i], !has_left(x, x->group[i].id));
    buf_printf(b,
               "<hr><label><input type=\"checkbox\" name=\"nothing\" value=\"1\"%s>%s</label>"
               "<input type=\"hidden\" name=\"shown\" value=\"0\"><p><button>%s</button></p></form>",
               has_left(x, 0) ? " checked" : "", w[NONE], w[SAVE]);
}

static void page(struct http_call *c, int e, enum word what, const struct choice *x)
{
    struct buf b = BUF_INIT;
    size_t l = page_language(c);
    page_begin(&b, l, words[l][TITLE]);
    buf_printf(&b, "<p>%s</p>", words[l][e ? LATER : what]);
    if (!e) put_form(&b, x, words[l]);
    page_answer(c, e ? 503 : 200, l, &b);
}

void preferences_show(struct http_call *c, const struct unsubscribe *u)
{
    struct choice x;
    int e = look(c, u, &x);
    page(c, e, ASK, &x);
}

/* ---- what is chosen ---- */

/* The form: what stood on the page, what shall come. Groups by their ids, 0 is all. */
struct form {
    uint32_t shown[SEND_GROUPS_MAX + 1], comes[SEND_GROUPS_MAX + 1];
    size_t nshown, ncomes;
    bool nothing;
};

static void add(uint32_t *v, size_t *n, uint64_t id)
{
    if (*n <= SEND_GROUPS_MAX) v[(*n)++] = (uint32_t)id;
}

static bool has(const uint32_t *v, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == id) return true;
    return false;
}

static struct form *read_form(struct http_call *c)
{
    struct form *f = ar_new(c->a, struct form);
    struct slice rest = c->body, key, text;
    uint64_t id;
    while (http_query_next(c->a, &rest, &key, &text)) {
        if (!num_u64(text, UINT32_MAX, &id)) continue;
        if (sl_eq(key, SL("shown"))) add(f->shown, &f->nshown, id);
        if (sl_eq(key, SL("comes"))) add(f->comes, &f->ncomes, id);
        if (sl_eq(key, SL("nothing"))) f->nothing = true;
    }
    return f;
}

/* Only what stood on the page is changed; coming back takes away what the address itself chose, and nothing
 * that a bounce or a complaint has entered. */
static int choose(const struct choice *x, const struct form *f, uint32_t group)
{
    struct unsubscribe u = *x->u;
    bool comes = group ? has(f->comes, f->ncomes, group) : !f->nothing;
    if (!has(f->shown, f->nshown, group) || comes != has_left(x, group)) return 0;
    u.group = group;
    return comes ? unsubscribe_undo(x->s, &u) : unsubscribe_do(x->s, &u);
}

void preferences_save(struct http_call *c, const struct unsubscribe *u)
{
    struct form *f = read_form(c);
    struct choice x;
    int e = look(c, u, &x);
    for (size_t i = 0; !e && i < x.ngroups; i++) e = choose(&x, f, x.group[i].id);
    if (!e) e = choose(&x, f, 0);
    if (!e) e = look(c, u, &x);
    page(c, e, SAVED, &x);
}
