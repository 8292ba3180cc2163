/* libxml2 2.9.14, which Debian 12 has, calls no SAX1 handler of a program that gives it handlers of
 * the second version; pidgin-sipe does that, and so reads no document at all. Preloaded, this says
 * of handlers without namespaces what they are. */

#define _GNU_SOURCE
#include <dlfcn.h>

struct handlers {
    void *first[27];
    unsigned version;
    void *mine, *start_element_ns, *end_element_ns, *error;
};

int xmlSAXUserParseMemory(struct handlers *theirs, void *user, const char *text, int length)
{
    int (*parse)(struct handlers *, void *, const char *, int);
    struct handlers handlers = *theirs;

    *(void **)&parse = dlsym(RTLD_NEXT, "xmlSAXUserParseMemory");
    if (!handlers.start_element_ns && !handlers.end_element_ns)
        handlers.version = 1;
    return parse(&handlers, user, text, length);
}
