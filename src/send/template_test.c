/* template_test.c - what comes out of templates, and where the fault is when nothing does. */
#include "template.h"

#include "base/test.h"

static const struct template_how html = {TEMPLATE_HANDLEBARS, true, false, false},
                                 text = {TEMPLATE_HANDLEBARS, false, false, false},
                                 strict = {TEMPLATE_HANDLEBARS, false, true, false},
                                 mailjet = {TEMPLATE_MAILJET, false, true, false};

/* The result, or the sentence of the failure. */
static struct slice rendered(struct arena *a, struct template_how how, const char *source, const char *data)
{
    const struct template *t;
    struct buf b = BUF_INIT;
    json_t *j = json_loads(data, 0, NULL);
    CHECK(j != NULL);
    int e = template_compile(a, how, sl_cstr(source), &t);
    if (e == 0) e = template_render(t, j, &b);
    if (e < 0) CHECK_INT(b.n, 0);
    struct slice s = ar_dup(a, e < 0 ? sl_cstr(err_text(e)) : buf_slice(&b));
    buf_free(&b);
    json_decref(j);
    return s;
}

struct one {
    const char *source, *data, *want;
};

static void check_all(struct template_how how, const struct one *v, size_t n)
{
    struct arena a;
    ar_init(&a, 0);
    for (size_t i = 0; i < n; i++) {
        struct slice got = rendered(&a, how, v[i].source, v[i].data);
        if (!sl_eq(got, sl_cstr(v[i].want)))
            test_fail(__FILE__, __LINE__, "%s gives \"%.*s\", not \"%s\"", v[i].source, SLF(got), v[i].want);
        ar_reset(&a);
    }
    ar_free(&a);
}

TEST(template_values)
{
    static const struct one v[] = {
        {"Hi {{name}}!", "{\"name\":\"<Ann & 'Bob'=`\\\"`>\"}",
         "Hi &lt;Ann &amp; &#x27;Bob&#x27;&#x3D;&#x60;&quot;&#x60;&gt;!"},
        {"{{{a}}} {{&a}}", "{\"a\":\"<b>\"}", "<b> <b>"},
        {"{{a.b.c}} {{a/b/c}} {{a.[b].c}} {{[x y]}}", "{\"a\":{\"b\":{\"c\":1}},\"x y\":2}", "1 1 1 2"},
        {"[{{no}}][{{a.no.no}}][{{n}}][{{f}}][{{t}}]", "{\"a\":1,\"n\":null,\"f\":false,\"t\":true}",
         "[][][][false][true]"},
        {"{{a}} {{b}} {{c}} {{d}} {{e}} {{f}} {{g}}",
         "{\"a\":1.50,\"b\":1e21,\"c\":1e-7,\"d\":0.1,\"e\":123456789012345678,\"f\":-0.000001,\"g\":100.0}",
         "1.5 1e+21 1e-7 0.1 123456789012345678 -0.000001 100"},
        {"{{a}} {{o}} {{a.length}} {{s.length}} {{a.1}}",
         "{\"a\":[1,null,[2,3],\"x\"],\"o\":{},\"s\":\"h\\u00e9\\ud83d\\ude00\"}",
         "1,,2,3,x [object Object] 4 4 "},
        {"a{{! no }}b{{!-- {{x}} --}}c", "{}", "abc"},
        {"\\{{a}} \\\\{{a}} {{a}}", "{\"a\":1}", "{{a}} \\1 1"},
        {"{{\"a b\"}} {{@root.a}} {{this.a}} {{./a}}", "{\"a b\":1,\"a\":2}", "1 2 2 2"},
        {"{ {a} }} {a", "{}", "{ {a} }} {a"},
    };
    check_all(html, v, COUNT_OF(v));
}

TEST(template_blocks)
{
    static const struct one v[] = {
        {"{{#if a}}A{{else if b}}B{{else}}C{{/if}}", "{\"b\":1}", "B"},
        {"{{#if a}}A{{else if b}}B{{else}}C{{/if}}", "{}", "C"},
        {"{{#if z}}y{{else}}n{{/if}}{{#if z includeZero=true}}y{{/if}}{{#if e}}y{{^}}n{{/if}}{{#if "
         "l}}y{{else}}n{{/if}}",
         "{\"z\":0,\"e\":\"\",\"l\":[]}", "nynn"},
        {"{{#unless a}}no{{else}}yes{{/unless}}", "{\"a\":{}}", "yes"},
        {"{{#each l}}{{@index}}{{#if @first}}F{{/if}}{{#if "
         "@last}}L{{/if}}={{this}},{{../x}};{{else}}none{{/each}}",
         "{\"l\":[\"a\",\"b\"],\"x\":1}", "0F=a,1;1L=b,1;"},
        {"{{#each o}}{{@key}}:{{this}} {{/each}}", "{\"o\":{\"b\":1,\"a\":2}}", "b:1 a:2 "},
        {"{{#each l}}{{#each this}}{{@../index}}{{@index}} {{/each}}{{/each}}", "{\"l\":[[1,2],[3]]}",
         "00 01 10 "},
        {"{{#each l as |x i|}}{{i}}{{x.n}}{{n}} {{/each}}", "{\"l\":[{\"n\":1}]}", "011 "},
        {"{{#with a}}{{b}}{{../c}}{{@root.c}}{{else}}none{{/with}}", "{\"a\":{\"b\":1},\"c\":2}", "122"},
        {"{{#with no}}x{{else}}none{{/with}}{{#with z}}{{this}}{{/with}}", "{\"z\":0}", "none0"},
        {"{{#a}}{{b}}{{/a}}{{^a}}none{{/a}}{{#l}}<{{.}}>{{/l}}{{#t}}{{x}}{{/t}}",
         "{\"a\":{\"b\":1},\"l\":[1,2],\"t\":true,\"x\":9}", "1<1><2>9"},
        {"{{^no}}none{{else}}some{{/no}}", "{}", "none"},
        {"{{#if a}}{{#with b}}{{../x}}{{/with}}{{/if}}", "{\"a\":1,\"b\":{},\"x\":7}", "7"},
    };
    check_all(text, v, COUNT_OF(v));
}

TEST(template_helpers)
{
    static const struct one v[] = {
        {"{{insert name \"default=Customer\"}} {{insert no \"default=Customer\"}} {{insert no}}.",
         "{\"name\":\"Ann\"}", "Ann Customer ."},
        {"{{#equals a b}}same{{else}}other{{/equals}} {{#equals a 5}}5{{/equals}} {{#notEquals a "
         "\"x\"}}x{{/notEquals}}",
         "{\"a\":5,\"b\":\"5\"}", "same 5 x"},
        {"{{#greaterThan a 4}}more{{/greaterThan}}{{#lessThan a 4}}less{{else}} not{{/lessThan}}",
         "{\"a\":\"10\"}", "more not"},
        {"{{#and a b}}both{{else}}not{{/and}} {{#or a b}}one{{/or}}", "{\"a\":1}", "not one"},
        {"{{#if (and (greaterThan (length l) 1) a)}}y{{/if}} {{length l}} {{length s}}",
         "{\"l\":[1,2],\"a\":1,\"s\":\"abc\"}", "y 2 3"},
        {"{{lookup l 1}} {{lookup o \"k\"}}", "{\"l\":[1,2],\"o\":{\"k\":3}}", "2 3"},
        {"{{formatDate t \"YYYY-MM-DD HH:mm:ss\"}} {{formatDate t \"dddd, MMMM D, YY h:mm A ZZ Z\" z}}",
         "{\"t\":\"2020-01-01T23:05:09.000Z\",\"z\":\"-0800\"}",
         "2020-01-01 23:05:09 Wednesday, January 1, 20 3:05 PM -0800 -08:00"},
        {"{{formatDate a \"MMM DD\"}} {{formatDate b \"MMM DD\"}} {{formatDate no \"D\"}}",
         "{\"a\":1577923509,\"b\":1577923509000}", "Jan 02 Jan 02 "},
        {"{{formatDate a \"D\"}}", "{\"a\":\"soon\"}",
         "line 1, column 3: formatDate is given no date that it can read"},
        {"{{length}} {{#length}}x{{/length}}", "{\"length\":3}", "3 x"},
    };
    check_all(text, v, COUNT_OF(v));
}

TEST(template_blanks)
{
    static const struct one v[] = {
        {"a\n{{#if x}}\nb\n{{else}}\nc\n{{/if}}\nd", "{\"x\":1}", "a\nb\nd"},
        {"a\n  {{! note }}  \nb", "{}", "a\nb"},
        {"a {{~x~}} b {{~#if x~}} c {{~else~}} d {{~/if~}} e", "{\"x\":1}", "a1bce"},
        {"  {{#each l}}\n  * {{this}}\n  {{/each}}\n", "{\"l\":[1,2]}", "  * 1\n  * 2\n"},
        {"{{#if x}} y {{/if}}\n", "{\"x\":1}", " y \n"},
    };
    check_all(text, v, COUNT_OF(v));
}

TEST(template_partials)
{
    static const struct one v[] = {
        {"{{#* inline \"full\"}}{{first}}{{#if last}} {{last}}{{/if}}{{/inline}}Hello {{> full}}!",
         "{\"first\":\"Ann\",\"last\":\"B\"}", "Hello Ann B!"},
        {"{{#* inline \"x\"}}{{> x}}{{/inline}}{{> x}}", "{}",
         "line 1, column 18: blocks and partials go deeper than 80 levels"},
        {"{{> nobody}}", "{}", "line 1, column 1: there is no inline partial 'nobody'"},
    };
    check_all(text, v, COUNT_OF(v));
}

TEST(template_strict)
{
    static const struct one v[] = {
        {"{{a}}{{#if b}}{{c}}{{/if}}", "{\"a\":1}", "1"},
        {"\n é {{a.b}}", "{}", "line 2, column 4: the attribute 'a.b' is not present in the data"},
        {"{{insert a \"default=x\"}}", "{}", "x"},
    };
    check_all(strict, v, COUNT_OF(v));
}

TEST(template_faults)
{
    static const struct one v[] = {
        {"a\nb {{#if x}}c", "{}", "line 2, column 3: the block if is not closed"},
        {"{{#if x}}{{/each}}", "{}", "line 1, column 10: each is closed where if is open"},
        {"{{/if}}", "{}", "line 1, column 1: if is closed, but not open"},
        {"{{else}}", "{}", "line 1, column 1: else stands outside of a block"},
        {"{{a", "{}", "line 1, column 1: the tag is not closed with }}"},
        {"{{", "{}", "line 1, column 3: here a name is expected"},
        {"{{{a}}", "{}", "line 1, column 1: the tag is not closed with }}}"},
        {"{{nobody 1}}", "{}", "line 1, column 3: there is no helper 'nobody'"},
        {"{{#nobody 1}}{{/nobody}}", "{}", "line 1, column 4: there is no helper 'nobody'"},
        {"{{#if}}x{{/if}}", "{}", "line 1, column 4: if needs an argument"},
        {"{{#equals a}}x{{/equals}}", "{}", "line 1, column 4: the helper equals takes 2 arguments"},
        {"{{insert \"x}}", "{}", "line 1, column 10: the string does not end"},
        {"{{a.[b}}", "{}", "line 1, column 5: the bracket [ is not closed"},
        {"{{!-- x }}", "{}", "line 1, column 1: the comment does not end"},
        {"{{a/../b}}", "{}", "line 1, column 5: .. can stand at the beginning of a path only"},
        {"{{{{raw}}}}", "{}", "line 1, column 1: raw blocks {{{{ are not supported"},
    };
    check_all(text, v, COUNT_OF(v));
}

/* Templates that explode. */
TEST(template_limits)
{
    struct arena a;
    struct buf b = BUF_INIT;
    const struct template *t;
    ar_init(&a, 0);
    for (int i = 0; i <= TEMPLATE_DEPTH_MAX; i++) buf_str(&b, "{{#if a}}");
    CHECK_ERR(template_compile(&a, text, buf_slice(&b), &t), ERR_SYNTAX);
    buf_clear(&b);
    for (int i = 0; i <= TEMPLATE_NODES_MAX; i++) buf_str(&b, "{{a}}");
    CHECK_ERR(template_compile(&a, text, buf_slice(&b), &t), ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i <= TEMPLATE_SOURCE_MAX; i++) buf_char(&b, 'x');
    CHECK_ERR(template_compile(&a, text, buf_slice(&b), &t), ERR_TOO_LONG);
    buf_clear(&b);
    json_t *l = json_array(), *data = json_pack("{s:o}", "l", l);
    for (int i = 0; i < 1000; i++) json_array_append_new(l, json_integer(i));
    CHECK_SL(rendered(&a, text, "{{#each l}}{{#each ../l}}{{#each @root.l}}x{{/each}}{{/each}}{{/each}}",
                      "{\"l\":[1]}"),
             "x");
    CHECK_OK(template_compile(
        &a, text, SL("{{#each l}}{{#each @root.l}}{{#each @root.l}}{{/each}}{{/each}}{{/each}}"), &t));
    CHECK_ERR(template_render(t, data, &b), ERR_LIMIT);
    json_object_set_new(data, "s", json_stringn(ar_zalloc(&a, 100000), 100000));
    CHECK_OK(template_compile(&a, text, SL("{{#each l}}{{@root.s}}{{/each}}"), &t));
    CHECK_ERR(template_render(t, data, &b), ERR_LIMIT);
    CHECK_INT(b.n, 0);
    json_decref(data);
    buf_free(&b);
    ar_free(&a);
}

TEST(template_mailjet)
{
    static const struct one v[] = {
        {"Hi {{var:name}}, {{ data:name }} {{var:no:\"you\"}} {{var:no:there}}", "{\"name\":\"Ann\"}",
         "Hi Ann, Ann you there"},
        {"{{var:a.b}} {{var:l[1]}}", "{\"a\":{\"b\":1},\"l\":[1,2]}", "1 2"},
        {"{% if var:n > 3 and not var:x %}A{% elseif var:n = 2 %}B{% else %}C{% endif %}",
         "{\"n\":2,\"x\":false}", "B"},
        {"{% if var:s == \"x\" or false %}A{% endif %}{% if (var:n <> 2) %}B{% else %}C{% endif %}",
         "{\"n\":2,\"s\":\"x\"}", "AC"},
        {"{% for i in var:l %}<{{i.t}}>{% endfor %}", "{\"l\":[{\"t\":\"a\"},{\"t\":\"b\"}]}", "<a><b>"},
        {"{% set total = 0 %}{% for i in var:l %}{% set total = total + i %}{% endfor %}{{total}}",
         "{\"l\":[1,2,3.5]}", "6.5"},
        {"{{ 7 div 2 }} {{ 7 mod 2 }} {{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ \"a\" + 1 }} {{ 1 / 4 }}", "{}",
         "3 1 7 9 a1 0.25"},
        {"{% if true xor true %}A{% else %}B{% endif %}", "{}", "B"},
        {"x {{var:no}}", "{}", "line 1, column 3: the attribute 'no' is not present in the data"},
        {"{% if true %}x", "{}", "line 1, column 1: if is not closed with endif"},
        {"{% endfor %}", "{}", "line 1, column 1: endfor stands outside of a block"},
        {"{% hop %}", "{}", "line 1, column 1: there is no statement 'hop'"},
        {"{{ Upper(var:x) }}", "{}", "line 1, column 4: the function Upper is not supported"},
        {"{{ mj:x }}", "{}", "line 1, column 4: there are no variables of the kind mj: here"},
        {"{{ 1 / 0 }}", "{}", "line 1, column 4: nothing can be divided by 0"},
        {"{% set x = \"ab\" %}{% for i in var:l %}{% set x = x + x %}{% endfor %}",
         "{\"l\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0]}",
         "line 1, column 19: rendering takes more memory than 41943040 bytes"},
        {"{% for x %}", "{}", "line 1, column 1: for has the form: for name in list"},
        {"Hi [[var:name]], [[data:name:\"you\"]] [[var:no:there]] [[data:no:\"a ] b\"]] [[var:a.l[1]]]",
         "{\"name\":\"Ann\",\"a\":{\"l\":[1,2]}}", "Hi Ann, Ann there a ] b 2"},
        {"[ [[ [[x]] a[[0]] [[vary]] [[UNSUB_LINK_EN]] [[var", "{}",
         "[ [[ [[x]] a[[0]] [[vary]] [[UNSUB_LINK_EN]] [[var"},
        {"{% if true %}[[var:n]]{% endif %}{", "{\"n\":1}", "1{"},
        {"[[var:name", "{}", "line 1, column 11: here ]] is expected before more"},
        {"[[var:name}}", "{}", "line 1, column 11: here ]] is expected before more"},
        {"{{var:name]]", "{}", "line 1, column 11: here }} is expected before more"},
        {"[[var:]]", "{}", "line 1, column 7: here a name is expected"},
    };
    check_all(mailjet, v, COUNT_OF(v));
}

TEST(template_replace)
{
    struct buf b = BUF_INIT;
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:i}", "-name-", "Ann", "%n%", "-name-", "-name-x", "long", "{{n}}", 5);
    CHECK_OK(template_replace(SL("Hi -name-, %n% -name-x {{n}} -nam %"), j, &b));
    CHECK_SL(buf_slice(&b), "Hi Ann, -name- long 5 -nam %");
    buf_clear(&b);
    json_object_clear(j);
    struct buf big = BUF_INIT;
    for (int i = 0; i < 3000; i++) buf_char(&big, 'a');
    json_object_setn_new(j, big.p, big.n, json_string("x"));
    for (int i = 0; i < 20000; i++) buf_char(&big, 'a');
    big.p[22000] = 'b';
    struct slice hostile = sl_sub(buf_slice(&big), 20000, 22900); /* never the whole key */
    for (int i = 0; i < 2000; i++) buf_put(&b, hostile);
    struct buf out = BUF_INIT;
    CHECK_ERR(template_replace(buf_slice(&b), j, &out), ERR_LIMIT);
    CHECK_INT(out.n, 0);
    buf_free(&out);
    buf_free(&big);
    buf_free(&b);
    json_decref(j);
}
