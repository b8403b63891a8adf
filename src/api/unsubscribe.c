/* unsubscribe.c - the page behind List-Unsubscribe (RFC 8058): the POST of the RFC, and of the page's button,
 * leaves at once, needs no cookie, is no redirect and says 200 the second time as well; GET, and a POST of
 * anything else, shows a page that asks, for scanners fetch links. */
#include "send/unsubscribe.h"

#include "api_i.h"
#include "base/text.h"
#include "core/core.h"
#include "page.h"
#include "preferences.h"

/* ---- words ---- */

enum word { TITLE, ASK, BUTTON, DONE, WRONG, LATER, CHOOSE, WORDS };
static const char *const words[PAGE_LANGUAGES][WORDS] = {
    [PAGE_EN] = {"Unsubscribe", "Shall this address get no more of these letters?", "Unsubscribe",
                 "It is done: this address gets no more of these letters.",
                 "This link is not complete. Please copy the whole of it from the letter.",
                 "This cannot be done at the moment. Please try again in a minute.",
                 "Choose which letters come"},
    [PAGE_VI] = {"Hủy đăng ký", "Địa chỉ này sẽ không nhận những thư này nữa?", "Hủy đăng ký",
                 "Đã xong: địa chỉ này sẽ không nhận những thư này nữa.",
                 "Liên kết này không đầy đủ. Vui lòng sao chép toàn bộ liên kết từ thư.",
                 "Hiện chưa thực hiện được. Vui lòng thử lại sau một phút.", "Chọn thư muốn nhận"},
};
/* u: whose address is shown, or NULL. A form when it asks. */
static void page(struct http_call *c, int status, enum word what, const struct unsubscribe *u)
{
    struct buf b = BUF_INIT;
    size_t l = page_language(c);
    const char *const *w = words[l];
    page_begin(&b, l, w[TITLE]);
    buf_printf(&b, "<p>%s</p>", w[what]);
    if (u) {
        buf_str(&b, "<p><b>");
        page_text(&b, u->address);
        buf_str(&b, "</b></p>");
    }
    if (what == ASK)
        buf_printf(&b,
                   "<form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" "
                   "value=\"One-Click\"><button>%s</button></form>",
                   w[BUTTON]);
    if (u) buf_printf(&b, "<p><a href=\"/u/%.*s/groups\">%s</a></p>", SLF(c->param[0]), w[CHOOSE]);
    page_answer(c, status, l, &b);
}

/* Whom the link of the path names; it is answered when there is nobody. */
static bool named(struct http_call *c, struct unsubscribe *u)
{
    bool good = unsubscribe_parse(api_of(c)->core->sends, c->a, c->param[0], u);
    if (!good) page(c, 404, WRONG, NULL);
    return good;
}

static void show(struct http_call *c)
{
    struct unsubscribe u;
    bool done = false;
    if (!named(c, &u)) return;
    int e = unsubscribe_is_done(api_of(c)->core->sends, &u, &done);
    if (e) page(c, 503, LATER, NULL);
    else page(c, 200, done ? DONE : ASK, &u);
}

/* ---- the key and its value (RFC 8058 section 3.2), "List-Unsubscribe=One-Click" ---- */

static bool is_pair(struct slice key, struct slice value)
{
    /* as the ABNF of section 5 has it: a string in quotes has no case */
    return sl_eqi(sl_trim(key), SL("List-Unsubscribe")) && sl_eqi(sl_trim(value), SL("One-Click"));
}

static bool in_form(struct arena *a, struct slice body)
{
    struct slice key, value;
    while (http_query_next(a, &body, &key, &value))
        if (is_pair(key, value)) return true;
    return false;
}

/* The name that a part of a form has, when the line is the field that says it (RFC 7578 section 4.2). */
static bool part_name(struct slice line, struct slice *name)
{
    if (!sl_startsi(line, SL("Content-Disposition:"))) return false;
    while (sl_next(&line, ';', name)) {
        *name = sl_trim(*name);
        if (!sl_startsi(*name, SL("name="))) continue;
        *name = sl_from(*name, 5);
        if (name->n >= 2 && name->p[0] == '"' && name->p[name->n - 1] == '"')
            *name = sl_sub(*name, 1, name->n - 1);
        return true;
    }
    *name = SL("");
    return false;
}

/* By its lines and not by its boundary: the one of the RFC's own example (section 8.3) is not the one that
 * its field says. */
static bool in_parts(struct slice body)
{
    struct slice line, name = SL("");
    bool head = true; /* of a part; else its value comes */
    while (sl_next(&body, '\n', &line)) {
        line = sl_trim(line);
        if (head && !line.n) head = false;
        else if (head) (void)part_name(line, &name);
        else if (is_pair(name, line)) return true;
        else if (sl_starts(line, SL("--"))) head = true, name = SL("");
    }
    return false;
}

static void leave(struct http_call *c)
{
    struct unsubscribe u;
    if (!named(c, &u)) return;
    if (!in_form(c->a, c->body) && !in_parts(c->body)) {
        page(c, 400, ASK, &u); /* nobody has asked to leave: who is there may */
        return;
    }
    int e = unsubscribe_do(api_of(c)->core->sends, &u);
    page(c, e ? 503 : 200, e ? LATER : DONE, &u);
}

static void show_groups(struct http_call *c)
{
    struct unsubscribe u;
    if (named(c, &u)) preferences_show(c, &u);
}

static void save_groups(struct http_call *c)
{
    struct unsubscribe u;
    if (named(c, &u)) preferences_save(c, &u);
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/u/{token}", NONE, show, "asks whether to leave"),
    HTTP_ROUTE(POST, "/u/{token}", NONE, leave, "leaves (RFC 8058)"),
    HTTP_ROUTE(GET, "/u/{token}/groups", NONE, show_groups, "shows which letters come"),
    HTTP_ROUTE(POST, "/u/{token}/groups", NONE, save_groups, "changes which letters come"),
};
const struct http_group api_unsubscribe = {
    .name = "unsubscribe", .prefix = "/u/", .route = routes, .n = COUNT_OF(routes)};
