"""Files of this machine, of web servers, of object storage and of hubs of data sets."""
