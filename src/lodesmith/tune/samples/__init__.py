"""What a domain is learnt from: files, their records in any known form, their token ids."""
