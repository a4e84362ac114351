"""The service behind `pai-modelscope serve`: jobs that outlive a restart, one engine a device, protocols over both."""
