/* templates.c - for test_templates.py: each line of the input is {"template", "data"}, each line of the
 * output
 * {"text"} or {"error"}. */
#include <stdio.h>
#include <stdlib.h>

#include "send/template.h"

static json_t *rendered(const json_t *line)
{
    struct arena a;
    struct buf b = BUF_INIT;
    const struct template *t;
    const json_t *source = json_object_get(line, "template");
    ar_init(&a, 0);
    int e = template_compile(&a, (struct template_how){.language = TEMPLATE_HANDLEBARS, .escape = true},
                             sl(json_string_value(source), json_string_length(source)), &t);
    if (!e) e = template_render(t, json_object_get(line, "data"), &b);
    json_t *v =
        e ? json_pack("{s:s}", "error", err_text(e)) : json_pack("{s:s%}", "text", b.p ? b.p : "", b.n);
    buf_free(&b);
    ar_free(&a);
    return v;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *in = json_loads(line, 0, NULL), *out = rendered(in);
        char *text = json_dumps(out, JSON_COMPACT);
        puts(text);
        free(text);
        json_decref(out);
        json_decref(in);
    }
    free(line);
    return 0;
}
