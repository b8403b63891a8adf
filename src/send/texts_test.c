/* texts_test.c - the texts of a send in each language. */
#include "texts.h"

#include "base/test.h"

static struct send_part parts[] = {{SL_INIT("text/plain"), SL_INIT("")}, {SL_INIT("text/html"), SL_INIT("")}};
static struct send_field field = {SL_INIT("X-A"), SL_INIT("")};

/* A send all of whose texts are this one. */
static struct send same(enum send_language language, const char *text)
{
    parts[0].text = parts[1].text = field.value = sl_cstr(text);
    return (struct send){.language = language,
                         .subject = sl_cstr(text),
                         .part = parts,
                         .nparts = 2,
                         .fields = {&field, 1},
                         .data = SL("{\"a\":\"all\",\"b\":\"<all>\",\"-a-\":\"x\"}")};
}

static int filled(struct arena *a, const struct send *s, const struct send_letter *l,
                  struct texts_filled *out)
{
    struct texts *t;
    struct send *copy = ar_new(a, struct send);
    *copy = *s;
    texts_compile(a, copy, &t);
    return texts_fill(a, t, l, out);
}

TEST(texts_languages)
{
    static const struct {
        enum send_language language;
        const char *text, *plain, *html;
    } cases[] = {
        {SEND_PLAIN, "{{a}} {{var:a}} -a-", "{{a}} {{var:a}} -a-", "{{a}} {{var:a}} -a-"},
        {SEND_HANDLEBARS, "{{a}} {{b}}{{no}}", "own <all>", "own &lt;all&gt;"},
        {SEND_SES, "{{a}} {{b}}", "own <all>", "own <all>"},
        {SEND_MAILJET, "{{var:a}} {{var:b}}", "own <all>", "own <all>"},
        {SEND_SUBSTITUTIONS, "-a- {{x}}", "x {{x}}", "x {{x}}"},
    };
    struct arena a;
    struct texts_filled f;
    struct send_letter l = {.data = SL("{\"a\":\"own\"}")};
    ar_init(&a, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = same(cases[i].language, cases[i].text);
        CHECK_OK(filled(&a, &s, &l, &f));
        CHECK_SL(f.subject, cases[i].plain);
        CHECK_SL(f.common.v[0].value, cases[i].plain);
        CHECK_SL(f.part[0].text, cases[i].plain);
        CHECK_SL(f.part[1].text, cases[i].html);
    }
    struct send s = same(SEND_HANDLEBARS, "x");
    l.subject = SL("Own {{a}}");
    CHECK_OK(filled(&a, &s, &l, &f));
    CHECK_SL(f.subject, "Own own");
    ar_free(&a);
}

TEST(texts_failures)
{
    struct arena a;
    struct texts_filled f;
    struct send_letter l = {0};
    ar_init(&a, 0);
    struct send s = same(SEND_SES, "ok");
    parts[1].text = SL("Hi\n{{name}}");
    CHECK_ERR(filled(&a, &s, &l, &f), ERR_NOT_FOUND);
    CHECK_SL(sl_cstr(err_text(ERR_NOT_FOUND)),
             "the part text/html: line 2, column 1: the attribute 'name' is not present in the data");
    s = same(SEND_HANDLEBARS, "{{#if a}}");
    CHECK_ERR(filled(&a, &s, &l, &f), ERR_SYNTAX);
    CHECK_SL(sl_cstr(err_text(ERR_SYNTAX)), "the subject: line 1, column 1: the block if is not closed");
    l.data = SL("[1]");
    CHECK_ERR(filled(&a, &s, &l, &f), ERR_SYNTAX);
    l.data = SL("");
    s = same(SEND_MAILJET, "Hi {{var:no}}, {{var:a}}{% if 1 / 0 %}x{% endif %}!");
    CHECK_ERR(filled(&a, &s, &l, &f), ERR_NOT_FOUND);
    s.options = SEND_TEMPLATE_ERRORS_DELIVER;
    CHECK_OK(filled(&a, &s, &l, &f));
    CHECK_SL(f.part[0].text, "Hi , all!");
    ar_free(&a);
}

/* Each text is within its own bound: all of them together are, too. */
TEST(texts_of_a_letter_are_bounded_together)
{
    enum { PARTS = 12 };
    struct arena a;
    struct texts_filled f;
    struct send_part part[PARTS];
    struct send_letter l = {.data = SL("{}")};
    ar_init(&a, 0);
    char *marks = ar_alloc(&a, 6000), *value = ar_alloc(&a, 1000);
    memset(marks, '#', 6000);
    memset(value, 'x', 1000);
    for (size_t i = 0; i < PARTS; i++) part[i] = (struct send_part){SL("text/x"), sl(marks, 6000)};
    struct send s = {.language = SEND_SUBSTITUTIONS,
                     .part = part,
                     .nparts = PARTS,
                     .data = ar_printf(&a, "{\"#\":\"%.1000s\"}", value)};
    s.nparts = 11; /* 6,000,000 bytes each */
    CHECK_OK(filled(&a, &s, &l, &f));
    s.nparts = PARTS;
    CHECK_ERR(filled(&a, &s, &l, &f), ERR_LIMIT);
    ar_free(&a);
}
