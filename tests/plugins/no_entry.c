/* A shared object that is no plugin. */
__attribute__((visibility("default"))) int emco_plugin_entry_misspelt(void);

int emco_plugin_entry_misspelt(void)
{
	return 1;
}
