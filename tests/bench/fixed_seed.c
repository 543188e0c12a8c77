/* Preloaded by gate.py: the engine's random seed becomes the same in every run, so that its instructions can be counted. */
#include <string.h>
#include <unistd.h>

int getentropy(void *buffer, size_t length)
{
    memset(buffer, 0x5a, length);
    return 0;
}
