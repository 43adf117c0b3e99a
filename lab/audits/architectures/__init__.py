"""Text classifiers of SimCert's study (minhaz-42/simcert-qnlp), rebuilt after its appendix."""
